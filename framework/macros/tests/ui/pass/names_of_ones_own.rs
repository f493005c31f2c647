#![deny(warnings)]

use offload_macros::offload;

/// A type that only looks like actix's, and so is judged by what it is.
#[derive(Clone, PartialEq, Debug)]
struct HttpRequest(String);

struct Payload;
struct Error;

/// Promises that its content crosses threads; names inside say nothing.
struct Wrapper<T>(T);

#[offload(crate = ::offload_core)]
fn own(request: self::HttpRequest, _payload: Payload, content: Wrapper<u8>) -> Result<self::HttpRequest, Error> {
    if content.0 == 0 { Err(Error) } else { Ok(request) }
}

fn main() {
    let request = HttpRequest("GET".to_owned());
    let answer = pollster::block_on(own(request.clone(), Payload, Wrapper(1)));
    assert_eq!(answer.ok(), Some(request));
}

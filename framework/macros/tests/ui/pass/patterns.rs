#![deny(warnings)]

use actix_web::web;
use offload_macros::offload;

struct Point {
    x: u8,
    y: u8,
}
struct Marker;
struct Wrapper<T>(T);

#[offload(crate = ::offload_core)]
fn all(
    plain: u8,
    mut changed: u8,
    r#type: u8,
    _: u8,
    _ignored: u8,
    (left, [first, ..]): (u8, [u8; 2]),
    Point { x, y: renamed }: Point,
    web::Json(Wrapper(inner)): web::Json<Wrapper<u8>>,
    whole @ 0..=255: u8,
    Marker: Marker,
    #[expect(unused_variables)] unused: u8,
) -> u8 {
    changed += plain;
    changed + r#type + left + first + x + renamed + inner + whole
}

fn main() {
    let json = web::Json(Wrapper(1));
    let point = Point { x: 1, y: 1 };
    let sum = all(1, 1, 1, 0, 0, (1, [1, 0]), point, json, 1, Marker, 0);
    assert_eq!(pollster::block_on(sum), 9);
}

//! Multipart forms, streamed field by field.

use actix_multipart::Multipart;
use actix_web::{
    Error,
    web::{self, ServiceConfig},
};
use futures_util::StreamExt;

use super::super::{
    app,
    case::Case,
    compare::compare,
    request::{Request, noise},
};

const TYPE: &str = "multipart/form-data; boundary=edge";

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        web::scope("/multipart")
            .route("/list", web::post().to(list))
            .route("/first", web::post().to(first)),
    );
}

async fn list(mut form: Multipart) -> Result<String, Error> {
    let mut lines = String::new();
    while let Some(field) = form.next().await {
        let mut field = field?;
        let (mut length, mut sum) = (0, 0_u64);
        while let Some(chunk) = field.next().await {
            let chunk = chunk?;
            length += chunk.len();
            sum += chunk.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        }
        let file = field.content_disposition().and_then(|of| of.get_filename());
        let line = format!(
            "{:?} {file:?} {:?} {length} {sum}\n",
            field.name(),
            field.content_type()
        );
        lines.push_str(&line);
    }
    Ok(lines)
}

/// Answers after the first field, whatever follows.
async fn first(mut form: Multipart) -> Result<String, Error> {
    let Some(field) = form.next().await else {
        return Ok("nothing".to_owned());
    };
    Ok(format!("{:?}", field?.name()))
}

fn part(headers: &str, body: &[u8]) -> Vec<u8> {
    [
        b"--edge\r\n",
        headers.as_bytes(),
        b"\r\n\r\n",
        body,
        b"\r\n",
    ]
    .concat()
}

fn form() -> Vec<u8> {
    [
        part("Content-Disposition: form-data; name=\"text\"", b"some text"),
        part(
            "Content-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".bin\"\r\nContent-Type: application/octet-stream",
            &noise(100_000),
        ),
        part("Content-Disposition: form-data; name=\"empty\"", b""),
        part("Content-Disposition: form-data; name=\"tricky\"", b"--edg\r\n--edg-\r\n-edge--"),
        b"--edge--\r\n".to_vec(),
    ]
    .concat()
}

fn cases() -> Vec<Case> {
    let post = |path: &str| Request::post(path).header("Content-Type", TYPE);
    let form = form();
    vec![
        Case::of(post("/multipart/list").body(form.clone())).says("100000"),
        Case::of(post("/multipart/list").chunks(form.chunks(7777)))
            .named("a chunked form")
            .says("100000"),
        Case::new("a form that comes slowly")
            .send(post("/multipart/list").chunks(form.chunks(7777)).head())
            .send_slowly(form.chunks(30_000).map(super::super::request::chunk))
            .send("0\r\n\r\n")
            .response()
            .says("100000"),
        Case::of(post("/multipart/list").body(&form[..form.len() / 2])).named("a form cut short"),
        Case::of(post("/multipart/list").body("no form"))
            .named("no form")
            .status(400),
        Case::of(post("/multipart/list").body("--edge--\r\n")).named("an empty form"),
        Case::of(Request::post("/multipart/list").body("--edge--\r\n"))
            .named("a form without a type"),
        Case::of(
            Request::post("/multipart/list")
                .header("Content-Type", "multipart/form-data")
                .body("x"),
        )
        .named("a form without a boundary"),
        Case::of(
            post("/multipart/first").body(part("Content-Disposition: form-data; name=\"a\"", b"b")),
        )
        .named("only the first field"),
    ]
}

#[test]
fn forms_are_read_the_same() {
    compare(app::plain, &cases());
}

#[test]
fn forms_are_read_the_same_behind_middleware() {
    compare(app::stacked, &cases());
}

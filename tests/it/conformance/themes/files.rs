//! Files from disk: ranges, conditions, directories.

use actix_files::{Files, NamedFile};
use actix_web::{
    HttpRequest, HttpResponse, Result,
    http::header::{ContentDisposition, DispositionType},
    web::{self, ServiceConfig},
};

use super::super::{app, case::Case, compare::compare, request::Request};

/// These tests' own sources: files that are there, and the same for all modes.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/conformance");

pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/file").to(file))
        .service(
            Files::new("/files", ROOT)
                .index_file("mod.rs")
                .use_last_modified(true)
                .default_handler(web::to(|request: HttpRequest| async move {
                    HttpResponse::NotFound().body(format!("no file {}", request.path()))
                })),
        )
        .service(
            Files::new("/listing", format!("{ROOT}/themes"))
                .show_files_listing()
                .redirect_to_slash_directory(),
        );
}

async fn file() -> Result<NamedFile> {
    let file = NamedFile::open(format!("{ROOT}/themes/files.rs"))?;
    let attachment = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: Vec::new(),
    };
    Ok(file.set_content_disposition(attachment).use_etag(true))
}

fn cases() -> Vec<Case> {
    let get = Request::get;
    let ranges = [
        "bytes=0-99",
        "bytes=100-",
        "bytes=-50",
        "bytes=0-0",
        "bytes=5-2",
        "bytes=99999999-",
        "bytes=0-9,20-29",
        "lines=1-2",
        "nonsense",
    ];
    let mut cases = vec![
        Case::get("/files/case.rs").says("accept-ranges: bytes"),
        Case::get("/files/")
            .named("the index")
            .says("Byte for byte"),
        Case::get("/files/themes/files.rs").status(200),
        Case::get("/files/nothing").says("no file"),
        Case::get("/files/../Cargo.toml").named("a way out"),
        Case::get("/files/%2e%2e/Cargo.toml").named("a hidden way out"),
        Case::get("/file").says("attachment"),
        Case::of(Request::new("HEAD", "/file")),
        Case::of(Request::new("HEAD", "/files/case.rs")),
        Case::of(Request::new("POST", "/files/case.rs").body("x")),
        Case::of(get("/file").header("If-None-Match", "*"))
            .named("any tag")
            .status(304),
        Case::of(get("/file").header("If-None-Match", "\"other\""))
            .named("another tag")
            .status(200),
        Case::of(get("/file").header("If-Match", "\"other\""))
            .named("must match")
            .status(412),
        Case::of(get("/file").header("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"))
            .named("not modified since")
            .status(304),
        Case::of(get("/file").header("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"))
            .named("modified since")
            .status(412),
        Case::of(
            get("/file")
                .header("Range", "bytes=0-9")
                .header("If-Range", "\"other\""),
        )
        .named("a range of another version"),
        Case::get("/listing/"),
        Case::get("/listing"),
    ];
    cases.extend(ranges.map(|range| Case::of(get("/file").header("Range", range)).named(range)));
    cases
}

#[test]
fn files_come_the_same() {
    compare(app::plain, &cases());
}

#[test]
fn files_come_the_same_behind_middleware() {
    compare(app::stacked, &cases());
}

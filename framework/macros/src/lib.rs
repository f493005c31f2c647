//! The `#[offload]` attribute exists so that a function which computes for long can be awaited from an event loop without
//! ever running there: it moves the function's body to a lane.
//!
//! An actix user writes `use actix_offload::offload;` and never names this crate.
//!
//! ```
//! # use offload_macros::offload;
//! # use actix_web::{get, web, Responder};
//! #[get("/primes/{limit}")]
//! # /*
//! #[offload]
//! # */
//! # #[offload(crate = ::offload_core)]
//! fn primes(limit: web::Path<u32>) -> impl Responder {
//!     let sound = |n: &u32| (2..*n).all(|divisor| n % divisor != 0);
//!     web::Json((2..*limit).filter(sound).collect::<Vec<_>>())
//! }
//! ```
//!
//! # What it makes of a function
//!
//! - `fn f(args) -> T` and `async fn f(args) -> T` both become `async fn f(args) -> T`. The arguments move to a thread of
//!   a lane, the body runs there, and the result moves back. Patterns, generics, `where`, `impl Trait` on either side,
//!   `?`, `return`, docs and visibility keep their meaning.
//! - A plain function occupies its lane thread until it returns. An async one occupies it only while it computes and none
//!   while it waits, and what it holds across an `.await` must be `Send`.
//! - With or without the plugin around the app: a function that is called on a lane thread runs right there, one that is
//!   called on an event loop of the plugin goes to the plugin's lanes, and any other goes to a lane of the process.
//! - A panic in the body goes on in whoever awaits. Dropping the future takes back a body that has not begun; one that
//!   runs can't be stopped.
//!
//! # What may cross
//!
//! Arguments and the result must be `Send` and borrow nothing: `web::Json`, `web::Path`, `web::Query`, `web::Form`,
//! `web::Data`, `web::Bytes`, `String`, numbers, types made of these, and any error type of your own. Not `HttpRequest`,
//! `HttpResponse`, `web::Payload` and `actix_web::Error`, which belong to their event loop: extract what the body needs,
//! return what the response is made of, or let an async handler do both around the function:
//!
//! ```
//! # use offload_macros::offload;
//! use actix_web::{HttpRequest, HttpResponse};
//!
//! #[offload(crate = ::offload_core)]
//! fn sum(numbers: Vec<u64>) -> u64 {
//!     numbers.iter().sum()
//! }
//!
//! async fn handler(request: HttpRequest) -> HttpResponse {
//!     let numbers = request.query_string().split(',').filter_map(|number| number.parse().ok());
//!     let sum = sum(numbers.collect()).await;
//!     HttpResponse::Ok().insert_header(("x-sum", sum)).finish()
//! }
//! # let _ = handler;
//! ```
//!
//! `HttpRequest`, `HttpResponse`, `ServiceRequest`, `ServiceResponse` and `Rc` without a path are taken for the well-known
//! types. A type of your own with such a name needs a path: `self::HttpRequest`.
//!
//! # Other attributes
//!
//! | attribute | goes to |
//! | --- | --- |
//! | `#[get]`, `#[post]`, `#[route]`, `#[routes]`, above or below | the async function |
//! | docs, `#[cfg]`, `#[must_use]`, `#[deprecated]`, lints | the async function; lints hold in the body too |
//! | `#[inline]`, `#[cold]` | the body |
//! | a macro such as `#[tracing::instrument]` above `#[offload]` | what it adds runs on the lane, with the body |
//! | the same below `#[offload]` | what it adds surrounds the wait, the queueing included |
//!
//! # What can't be offloaded
//!
//! Methods with `self`, functions that name `Self`, and `const`, `unsafe`, `extern` and variadic functions. A function in
//! an `impl` block that takes no `self` can be, unless it uses the block's generic parameters. Each case is an error that
//! says what to write instead, and a function with several gets all of them at once.
#![forbid(unsafe_code)]

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Item, ItemFn, TraitItemFn};

use crate::args::Args;
use crate::errors::Errors;

mod args;
mod argument;
mod check;
mod crossing;
mod errors;
mod expand;
mod runner;
mod types;

/// Moves the body of a function off the event loop, and makes the function async.
///
/// The [crate documentation](crate) says which functions, and how other attributes take part.
///
/// # Arguments
///
/// `crate = path`, or `crate = "path"`: the crate whose lanes run the body. The default is `::actix_offload`; under the
/// layer of `tower-offload` it is `::tower_offload`, and without either `::offload_core`.
///
/// # Examples
///
/// ```
/// use offload_macros::offload;
///
/// #[derive(Debug, PartialEq)]
/// struct Odd(u64);
///
/// /// Half of an even number.
/// #[offload(crate = ::offload_core)]
/// fn half(number: u64) -> Result<u64, Odd> {
///     if number % 2 == 1 {
///         return Err(Odd(number));
///     }
///     Ok(number / 2)
/// }
///
/// # pollster::block_on(async {
/// assert_eq!(half(8).await, Ok(4));
/// assert_eq!(half(7).await, Err(Odd(7)));
/// # });
/// ```
#[proc_macro_attribute]
pub fn offload(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    attribute(args.into(), item.into()).into()
}

fn attribute(args: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let item = match syn::parse2::<ItemFn>(tokens.clone()) {
        Ok(item) => item,
        Err(error) => {
            errors.push(not_a_function(&tokens).unwrap_or(error));
            let errors = errors.finish();
            return quote!(#tokens #errors);
        }
    };
    check::check(&item, &mut errors);
    match errors.finish() {
        None => expand::expand(item, &args.krate),
        Some(errors) => {
            let item = expand::best_effort(item);
            quote!(#item #errors)
        }
    }
}

/// What to say of an item that is no function with a body; `None` when it is no sound item at all.
fn not_a_function(tokens: &TokenStream) -> Option<syn::Error> {
    if let Ok(declaration) = syn::parse2::<TraitItemFn>(tokens.clone()) {
        return Some(syn::Error::new_spanned(
            declaration.sig,
            "`#[offload]` needs a body to move: put it on a free function with a body and call that from the \
             implementation",
        ));
    }
    let keyword: &dyn ToTokens = match &syn::parse2::<Item>(tokens.clone()).ok()? {
        Item::Struct(item) => &item.struct_token.clone(),
        Item::Enum(item) => &item.enum_token.clone(),
        Item::Impl(item) => &item.impl_token.clone(),
        Item::Trait(item) => &item.trait_token.clone(),
        Item::Mod(item) => &item.mod_token.clone(),
        _ => tokens,
    };
    Some(syn::Error::new_spanned(
        keyword,
        "`#[offload]` works on functions: put it on the function whose body shall leave the event loop",
    ))
}

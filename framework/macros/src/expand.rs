//! Writes the functions that take the place of the user's; what is allowed was decided before.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, Block, FnArg, Ident, ItemFn, Path, Token, parse_quote};

use crate::argument::Argument;
use crate::{check, runner};

/// The function with its body moved into a job.
///
/// ```text
/// async fn hash(body: Json<A>) -> T {          // attributes, docs, visibility, name: the user's
///     fn __offload_body(Json(body): Json<A>) -> T { .. }
///     fn __offload_run<T, A0, F>(body: F, a0: A0) -> Pin<Box<dyn Future<..>>> where .. {
///         Box::pin(krate::__private::run(move || body(a0)))
///     }
///     __offload_run::<T, Json<A>, _>(__offload_body, body).await
/// }
/// ```
///
/// The body is a function rather than a closure because only a function may return `impl Trait`. The function between
/// is generic because then each type that can't cross threads is one error, at that type; a closure that captures it
/// would be a second one.
pub(crate) fn expand(item: ItemFn, krate: &Path) -> TokenStream {
    let arguments = Argument::all(&item.sig);
    let body = body(&item);
    let runner = runner::declaration(&item.sig, &arguments, krate);
    let call = runner::call(&item.sig, &arguments, &body_name());
    let names: Vec<Ident> = arguments
        .into_iter()
        .map(|argument| argument.name)
        .collect();

    let mut outer = item;
    outer.attrs.retain(|attribute| !shapes_code(attribute));
    make_async(&mut outer);
    for (input, name) in outer.sig.inputs.iter_mut().zip(names) {
        if let FnArg::Typed(input) = input {
            input.attrs.clear();
            *input.pat = parse_quote!(#name);
        }
    }
    // The braces stay the user's, so that lints about the whole function point at it.
    let block: Block = parse_quote!({ #body #runner #call });
    outer.block.stmts = block.stmts;
    outer.into_token_stream()
}

/// The function as it would be without `#[offload]`, but async: so its callers see no second error.
pub(crate) fn best_effort(mut item: ItemFn) -> TokenStream {
    item.attrs.retain(|attribute| !check::is_offload(attribute));
    item.sig.constness = None;
    item.sig.abi = None;
    item.sig.variadic = None;
    make_async(&mut item);
    item.into_token_stream()
}

fn make_async(item: &mut ItemFn) {
    let span = item.sig.fn_token.span;
    item.sig.asyncness.get_or_insert(Token![async](span));
}

/// Whether an attribute is about the code that is made of the body, and so belongs to the body alone.
fn shapes_code(attribute: &Attribute) -> bool {
    ["inline", "cold"]
        .iter()
        .any(|name| attribute.path().is_ident(name))
}

/// The user's function under another name, for nobody but the runner to call.
fn body(item: &ItemFn) -> TokenStream {
    let attributes = item.attrs.iter().filter(|attribute| shapes_code(attribute));
    let block = &item.block;
    let mut sig = item.sig.clone();
    sig.ident = body_name();
    let quiet = runner::about_arguments(sig.inputs.len());
    quote! {
        #(#attributes)*
        #quiet
        #sig #block
    }
}

fn body_name() -> Ident {
    Ident::new("__offload_body", Span::mixed_site())
}

//! Writes the functions that take the place of the user's; what is allowed was decided before.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, GenericParam, Generics, Ident, ItemFn, Path, ReturnType, Token, Type,
    parse_quote,
};

use crate::{argument, check, types};

/// The function with its body moved into a job.
///
/// ```text
/// async fn hash(body: Json<A>) -> T {          // attributes, docs, visibility, name: the user's
///     fn __offload_body(Json(body): Json<A>) -> T { .. }
///     async fn __offload_run<T, A0, F>(body: F, a0: A0) -> T where .. { krate::__private::run(move || body(a0)).await }
///     __offload_run::<T, Json<A>, _>(__offload_body, body).await
/// }
/// ```
///
/// The body is a function rather than a closure because only a function may return `impl Trait`. The function between
/// is generic because then each type that can't cross threads is one error, at that type; a closure that captures it
/// would be a second one.
pub(crate) fn expand(item: ItemFn, krate: &Path) -> TokenStream {
    let arguments = arguments(&item);
    let body = body(&item);
    let runner = runner(arguments.len(), item.sig.asyncness.is_some(), krate);
    let call = call(&item, &arguments);
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
    *outer.block = parse_quote!({ #body #runner #call });
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

/// An argument of the outer function, which hands it on whole; the body takes it apart.
struct Argument<'a> {
    name: Ident,
    ty: &'a Type,
}

fn arguments(item: &ItemFn) -> Vec<Argument<'_>> {
    let argument = |(index, input)| match input {
        &FnArg::Typed(ref argument) => Some(Argument {
            name: argument::name(&argument.pat)
                .cloned()
                .unwrap_or_else(|| format_ident!("__offload_{}", index, span = Span::mixed_site())),
            ty: &argument.ty,
        }),
        FnArg::Receiver(_) => None,
    };
    item.sig
        .inputs
        .iter()
        .enumerate()
        .filter_map(argument)
        .collect()
}

/// The user's function under another name, for nobody but the runner to call.
fn body(item: &ItemFn) -> TokenStream {
    let attributes = item.attrs.iter().filter(|attribute| shapes_code(attribute));
    let block = &item.block;
    let mut sig = item.sig.clone();
    sig.ident = body_name();
    quote! {
        #(#attributes)*
        #[allow(clippy::too_many_arguments)]
        #sig #block
    }
}

fn body_name() -> Ident {
    Ident::new("__offload_body", Span::mixed_site())
}

fn runner_name(span: Span) -> Ident {
    Ident::new("__offload_run", Span::mixed_site().located_at(span))
}

/// The function that gives the body to a lane, generic over the result and `count` arguments.
fn runner(count: usize, is_async: bool, krate: &Path) -> TokenStream {
    let name = runner_name(Span::mixed_site());
    let types: Vec<Ident> = (0..count)
        .map(|index| format_ident!("__A{index}"))
        .collect();
    let values: Vec<Ident> = (0..count)
        .map(|index| format_ident!("__a{index}"))
        .collect();
    let (future, bound, job) = if is_async {
        (
            quote!(, __Fut),
            quote! {
                __F: ::core::ops::FnOnce(#(#types),*) -> __Fut,
                __Fut: ::core::future::Future<Output = __T> + ::core::marker::Send + 'static,
            },
            quote!(#krate::__private::spawn(__body(#(#values),*))),
        )
    } else {
        (
            quote!(),
            quote!(__F: ::core::ops::FnOnce(#(#types),*) -> __T + ::core::marker::Send + 'static,),
            quote!(#krate::__private::run(move || __body(#(#values),*))),
        )
    };
    quote! {
        #[allow(clippy::too_many_arguments)]
        async fn #name<__T, #(#types,)* __F #future>(__body: __F, #(#values: #types),*) -> __T
        where
            __T: #krate::__private::Output,
            #(#types: #krate::__private::Argument,)*
            #bound
        {
            #job.await
        }
    }
}

/// The call of the runner. It repeats the user's types, so that the compiler's complaints about one point at it.
fn call(item: &ItemFn, arguments: &[Argument<'_>]) -> TokenStream {
    let (output, span) = match &item.sig.output {
        ReturnType::Default => (quote!(()), Span::mixed_site()),
        ReturnType::Type(_, ty) => (written(ty), ty.span()),
    };
    let types = arguments.iter().map(|argument| written(argument.ty));
    let values = arguments.iter().map(|argument| {
        let mut value = argument.name.clone();
        value.set_span(value.span().located_at(argument.ty.span()));
        value
    });
    let future = item.sig.asyncness.map(|_| quote!(, _));
    let (runner, body) = (runner_name(span), body_name());
    let parameters = parameters(&item.sig.generics);
    quote! {
        #runner::<#output, #(#types,)* _ #future>(#body #parameters, #(#values),*).await
    }
}

/// A type as an explicit parameter: `_` when it can't be written outside of a signature.
fn written(ty: &Type) -> TokenStream {
    if types::can_be_named(ty) {
        ty.to_token_stream()
    } else {
        quote_spanned!(ty.span()=> _)
    }
}

/// The body's generic parameters, as far as they may be given: types and constants. Lifetimes are inferred.
fn parameters(generics: &Generics) -> TokenStream {
    let name = |param| match param {
        &GenericParam::Type(ref param) => Some(&param.ident),
        &GenericParam::Const(ref param) => Some(&param.ident),
        GenericParam::Lifetime(_) => None,
    };
    let names: Vec<&Ident> = generics.params.iter().filter_map(name).collect();
    if names.is_empty() {
        TokenStream::new()
    } else {
        quote!(::<#(#names),*>)
    }
}

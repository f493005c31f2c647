//! Writes the functions that take the place of the user's; what is allowed was decided before.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, Block, FnArg, GenericParam, Generics, Ident, ItemFn, Path, ReturnType, Token, Type,
    parse_quote,
};

use crate::types::{can_be_named, mentions_parameter};
use crate::{argument, check};

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
    let arguments = arguments(&item);
    let body = body(&item);
    let runner = runner(&item, &arguments, krate);
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

/// An argument of the outer function, which hands it on whole; the body takes it apart.
struct Argument<'a> {
    name: Ident,
    ty: &'a Type,
}

fn arguments<'a>(item: &'a ItemFn) -> Vec<Argument<'a>> {
    let argument = |(index, input): (usize, &'a FnArg)| match input {
        FnArg::Typed(argument) => Some(Argument {
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

/// The function that gives the body to a lane, generic over the result and the arguments.
///
/// It returns a boxed future because the type of an opaque one repeats the bounds, and with them each error, at every
/// mention. Beside a hop to another thread the allocation does not count.
fn runner(item: &ItemFn, arguments: &[Argument<'_>], krate: &Path) -> TokenStream {
    let name = runner_name(Span::mixed_site());
    let indices = 0..arguments.len();
    let types: Vec<Ident> = indices
        .clone()
        .map(|index| format_ident!("__A{}", index))
        .collect();
    let values: Vec<Ident> = indices.map(|index| format_ident!("__a{}", index)).collect();
    let private = quote!(#krate::__private);
    let (future, bounds, job) = if item.sig.asyncness.is_some() {
        // The future holds the arguments, so its own bound covers them; a second one would be a second error.
        let bounds = quote! {
            __F: ::core::ops::FnOnce(#(#types),*) -> __Fut,
            __Fut: ::core::future::Future<Output = __T> + ::core::marker::Send + 'static,
        };
        (quote!(, __Fut), bounds, quote!(spawn(__body(#(#values),*))))
    } else {
        let crosses = arguments
            .iter()
            .map(|argument| crosses(argument.ty, &item.sig.generics, quote!(#private::Argument)));
        let bounds = quote! {
            #(#types: #crosses,)*
            __F: ::core::ops::FnOnce(#(#types),*) -> __T + ::core::marker::Send + 'static,
        };
        (quote!(), bounds, quote!(run(move || __body(#(#values),*))))
    };
    let output = match &item.sig.output {
        ReturnType::Type(_, ty) if can_be_named(ty) => {
            crosses(ty, &item.sig.generics, quote!(#private::Output))
        }
        _ => quote!(#private::Output),
    };
    quote! {
        #[allow(clippy::too_many_arguments)]
        fn #name<__T, #(#types,)* __F #future>(
            __body: __F,
            #(#values: #types),*
        ) -> ::core::pin::Pin<
            ::std::boxed::Box<dyn ::core::future::Future<Output = __T> + ::core::marker::Send>
        >
        where
            __T: #output,
            #bounds
        {
            ::std::boxed::Box::pin(#private::#job)
        }
    }
}

/// The bound on a type that crosses threads: the trait with our advice, or the plain one for a generic type, because
/// there the compiler advises the bound itself and must not advise a private trait.
fn crosses(ty: &Type, generics: &Generics, ours: TokenStream) -> TokenStream {
    if can_be_named(ty) && !mentions_parameter(ty, generics) {
        ours
    } else {
        quote!(::core::marker::Send + 'static)
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
    let future = item
        .sig
        .asyncness
        .map(|_| quote_spanned!(item.sig.ident.span()=> , _));
    let runner = runner_name(span);
    let body = body_name();
    let parameters = parameters(&item.sig.generics);
    quote! {
        #runner::<#output, #(#types,)* _ #future>(#body #parameters, #(#values),*).await
    }
}

/// A type as an explicit parameter: `_` when it can't be written outside of a signature.
fn written(ty: &Type) -> TokenStream {
    if can_be_named(ty) {
        ty.to_token_stream()
    } else {
        quote_spanned!(ty.span()=> _)
    }
}

/// The body's generic parameters, as far as they may be given: types and constants. Lifetimes are inferred.
fn parameters<'a>(generics: &'a Generics) -> TokenStream {
    let name = |param: &'a GenericParam| match param {
        GenericParam::Type(param) => Some(&param.ident),
        GenericParam::Const(param) => Some(&param.ident),
        GenericParam::Lifetime(_) => None,
    };
    let names: Vec<&Ident> = generics.params.iter().filter_map(name).collect();
    if names.is_empty() {
        TokenStream::new()
    } else {
        quote!(::<#(#names),*>)
    }
}

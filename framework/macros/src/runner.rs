//! Writes the function between the user's two: the one that gives the body to a lane.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericParam, Generics, Ident, Path, ReturnType, Signature, Type};

use crate::argument::Argument;
use crate::crossing::Crossing;
use crate::types::can_be_named;

/// The runner, generic over the result and the arguments.
///
/// It returns a boxed future because the type of an opaque one repeats the bounds, and with them each error, at every
/// mention. Beside a hop to another thread the allocation does not count.
pub(crate) fn declaration(
    sig: &Signature,
    arguments: &[Argument<'_>],
    krate: &Path,
) -> TokenStream {
    let name = name(Span::mixed_site());
    let count = arguments.len();
    let types: Vec<Ident> = (0..count)
        .map(|index| format_ident!("__A{}", index))
        .collect();
    let values: Vec<Ident> = (0..count)
        .map(|index| format_ident!("__a{}", index))
        .collect();
    let mut declarations = Vec::new();
    let mut bounded = |crossing: Crossing| {
        declarations.extend(crossing.declaration);
        crossing.bound
    };
    let output = bounded(Crossing::of_output(&sig.output, &sig.generics));
    let (future, bounds, job) = if sig.asyncness.is_some() {
        // The future holds the arguments, so its own bound covers them; a second one would be a second error.
        let bounds = quote! {
            __F: ::core::ops::FnOnce(#(#types),*) -> __Fut,
            __Fut: ::core::future::Future<Output = __T> + ::core::marker::Send + 'static,
        };
        (
            Some(quote!(, __Fut)),
            bounds,
            quote!(spawn(__body(#(#values),*))),
        )
    } else {
        let crossings = arguments.iter().enumerate();
        let crossings = crossings.map(|(index, argument)| {
            bounded(Crossing::of_argument(argument, index, &sig.generics))
        });
        let bounds = quote! {
            #(#types: #crossings,)*
            __F: ::core::ops::FnOnce(#(#types),*) -> __T + ::core::marker::Send + 'static,
        };
        (None, bounds, quote!(run(move || __body(#(#values),*))))
    };
    let quiet = about_arguments(count + 1);
    quote! {
        #(#declarations)*
        #quiet
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
            ::std::boxed::Box::pin(#krate::__private::#job)
        }
    }
}

/// Keeps Clippy's word on too many arguments for the user's function alone.
///
/// It is silenced only where it would speak, because a user may forbid to silence it.
pub(crate) fn about_arguments(count: usize) -> Option<TokenStream> {
    (count > 7).then(|| quote!(#[allow(clippy::too_many_arguments)]))
}

/// The call of the runner. It repeats the user's types, so that the compiler's complaints about one point at it.
pub(crate) fn call(sig: &Signature, arguments: &[Argument<'_>], body: &Ident) -> TokenStream {
    let (output, span) = match &sig.output {
        ReturnType::Default => (quote!(()), Span::mixed_site()),
        ReturnType::Type(_, ty) => (written(ty), ty.span()),
    };
    let types = arguments.iter().map(|argument| written(argument.ty));
    let values = arguments.iter().map(|argument| {
        let mut value = argument.name.clone();
        value.set_span(value.span().located_at(argument.ty.span()));
        value
    });
    let future = sig
        .asyncness
        .map(|_| quote_spanned!(sig.ident.span()=> , _));
    let runner = name(span);
    let parameters = parameters(&sig.generics);
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

fn name(span: Span) -> Ident {
    Ident::new("__offload_run", Span::mixed_site().located_at(span))
}

//! Writes the bounds on what crosses threads, so that the compiler's complaint names the argument and the way out.
//!
//! Each argument has a trait of its own inside the function, because only a trait can carry a message, and only its own
//! can carry its name.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Generics, Ident, ReturnType};

use crate::argument::Argument;
use crate::types::{can_be_named, mentions_parameter};

const ARGUMENT_ADVICE: &str = "take owned values that are `Send`, such as `web::Json<T>`, `web::Path<T>`, `web::Data<T>` \
                               or `String`, and let an async handler get them from anything else";
const OUTPUT_ADVICE: &str = "return what a response is made of, such as `web::Json<T>`, `String`, or one of these in a pair \
                             with an `http::StatusCode`, and an error type of your own instead of `actix_web::Error`";

/// A bound on the generic type that stands for an argument or the result.
pub(crate) struct Crossing {
    /// What to write after the colon.
    pub(crate) bound: TokenStream,
    /// The item that declares it, if it needs one.
    pub(crate) declaration: Option<TokenStream>,
}

impl Crossing {
    /// The bound on the argument at `index`.
    pub(crate) fn of_argument(argument: &Argument<'_>, index: usize, generics: &Generics) -> Self {
        if !can_be_named(argument.ty) || mentions_parameter(argument.ty, generics) {
            return Self::plain();
        }
        let label = &argument.label;
        let message = format!(
            "argument {label} cannot move to another thread, because `{{Self}}` is not `Send`"
        );
        Self::advised(
            format_ident!("__OffloadArgument{}", index),
            &message,
            ARGUMENT_ADVICE,
        )
    }

    /// The bound on the result. An opaque one gets our advice, because the user can't bound it anywhere.
    pub(crate) fn of_output(output: &ReturnType, generics: &Generics) -> Self {
        if let ReturnType::Type(_, ty) = output
            && mentions_parameter(ty, generics)
        {
            return Self::plain();
        }
        let message =
            "the result cannot come back from another thread, because `{Self}` is not `Send`";
        Self::advised(format_ident!("__OffloadOutput"), message, OUTPUT_ADVICE)
    }

    /// For a generic type the compiler itself advises which bound to write, if it is not led to a trait of ours.
    fn plain() -> Self {
        Self {
            bound: quote!(::core::marker::Send + 'static),
            declaration: None,
        }
    }

    fn advised(name: Ident, message: &str, advice: &str) -> Self {
        Self {
            bound: quote!(#name),
            declaration: Some(quote! {
                #[diagnostic::on_unimplemented(message = #message, label = "not `Send`", note = #advice)]
                trait #name: ::core::marker::Send + 'static {}
                // Without this the compiler would complain of a type deep inside, and say nothing of ours.
                #[diagnostic::do_not_recommend]
                impl<__T: ::core::marker::Send + 'static> #name for __T {}
            }),
        }
    }
}

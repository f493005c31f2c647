//! Collects every mistake of one use, so that a user sees all of them in one build.

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Notes a mistake at `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Notes a mistake that already carries its place.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// The mistakes as `compile_error!`s, or `None` when there are none.
    pub(crate) fn finish(self) -> Option<TokenStream> {
        self.0.map(|error| error.to_compile_error())
    }
}

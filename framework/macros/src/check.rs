//! Looks for everything in a function that can't work on another thread, all of it in one pass.

use syn::visit::{self, Visit};
use syn::{
    Attribute, FnArg, GenericParam, ItemFn, PatType, Path, ReturnType, Safety, Signature, Type,
};

use crate::argument;
use crate::errors::Errors;
use crate::types::{self, Borrow};

/// Notes every reason why `item` can't be offloaded.
pub(crate) fn check(item: &ItemFn, errors: &mut Errors) {
    check_attributes(&item.attrs, errors);
    check_qualifiers(&item.sig, errors);
    let borrowed = check_arguments(&item.sig, errors);
    check_output(&item.sig, borrowed, errors);
    check_self_type(item, errors);
}

/// Whether the attribute is `#[offload]` itself.
pub(crate) fn is_offload(attribute: &Attribute) -> bool {
    let path = attribute.path();
    let last = path.segments.last();
    last.is_some_and(|segment| segment.ident == "offload")
}

fn check_attributes(attributes: &[Attribute], errors: &mut Errors) {
    for attribute in attributes {
        if is_offload(attribute) {
            errors.at(
                attribute,
                "this function already has `#[offload]`: remove one of them",
            );
        } else if attribute.path().is_ident("target_feature") {
            errors.at(
                attribute,
                "`#[target_feature]` does not reach the body of an `#[offload]` function: put the \
                 code that needs it in a function of its own and call that",
            );
        }
    }
}

fn check_qualifiers(sig: &Signature, errors: &mut Errors) {
    if let Some(constness) = &sig.constness {
        errors.at(
            constness,
            "an `#[offload]` function cannot be `const`, because it waits for another thread: \
             remove `const`",
        );
    }
    if let Safety::Unsafe(token) = &sig.safety {
        errors.at(
            token,
            "an `#[offload]` function cannot be `unsafe`: make it safe, with the `unsafe` block and \
             its proof inside",
        );
    }
    if let Some(abi) = &sig.abi {
        errors.at(
            abi,
            "an `#[offload]` function is async and cannot be `extern`: remove the ABI, or call the \
             foreign function from the body",
        );
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(
            variadic,
            "an `#[offload]` function cannot take a variable number of arguments: take a `Vec`",
        );
    }
}

/// Returns whether an argument borrows.
fn check_arguments(sig: &Signature, errors: &mut Errors) -> bool {
    let mut borrowed = false;
    for (index, input) in sig.inputs.iter().enumerate() {
        match input {
            FnArg::Receiver(receiver) => errors.at(
                receiver,
                "`#[offload]` does not work on methods: make it a function that takes by value what \
                 it needs of `self`, and call that from the method",
            ),
            FnArg::Typed(argument) => {
                check_cfg(argument, errors);
                borrowed |= check_argument(argument, index, sig, errors);
            }
        }
    }
    borrowed
}

fn check_cfg(argument: &PatType, errors: &mut Errors) {
    for attribute in &argument.attrs {
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            errors.at(
                attribute,
                "`#[offload]` cannot see which arguments a condition leaves: write one function for \
                 each case and put the `#[cfg]` on the functions",
            );
        }
    }
}

fn check_argument(argument: &PatType, index: usize, sig: &Signature, errors: &mut Errors) -> bool {
    let label = argument::label(&argument.pat, index);
    if let Some(found) = types::find_known(&argument.ty) {
        errors.at(
            found.path,
            format!(
                "argument {label} cannot move to another thread, because `{}` is not `Send`: {}",
                found.name, found.way_out
            ),
        );
    }
    let Some(borrow) = borrow_in(&argument.ty, sig) else {
        return false;
    };
    let message = format!(
        "argument {label} borrows, and the body may outlive what it borrows from: {}",
        instead_of(&borrow)
    );
    match borrow {
        Borrow::Reference(reference) => errors.at(reference, message),
        Borrow::Lifetime(lifetime) => errors.at(lifetime, message),
    }
    true
}

fn check_output(sig: &Signature, borrowed: bool, errors: &mut Errors) {
    let ReturnType::Type(_, ty) = &sig.output else {
        return;
    };
    if let Some(found) = types::find_known(ty) {
        errors.at(
            found.path,
            format!(
                "the result cannot come back from another thread, because `{}` is not `Send`: {}",
                found.name, found.way_out
            ),
        );
    }
    // A borrowed result of a borrowed argument is the same mistake.
    if borrowed {
        return;
    }
    let message = "the result borrows from nothing that outlives the body: return an owned value \
                   (`String`, `Vec<T>`) or a `&'static` reference";
    match borrow_in(ty, sig) {
        Some(Borrow::Reference(reference)) => errors.at(reference, message),
        Some(Borrow::Lifetime(lifetime)) => errors.at(lifetime, message),
        None => {}
    }
}

/// The first borrow in `ty` that isn't by a parameter `'a: 'static`.
fn borrow_in<'a>(ty: &'a Type, sig: &Signature) -> Option<Borrow<'a>> {
    types::find_borrow(ty).filter(|borrow| {
        let lifetime = match borrow {
            Borrow::Reference(reference) => reference.lifetime.as_ref(),
            Borrow::Lifetime(lifetime) => Some(*lifetime),
        };
        let is_static = |param: &GenericParam| match param {
            GenericParam::Lifetime(param) => {
                Some(&param.lifetime) == lifetime
                    && param.bounds.iter().any(|bound| bound.ident == "static")
            }
            _ => false,
        };
        !sig.generics.params.iter().any(is_static)
    })
}

/// What to write in place of a borrowed argument.
fn instead_of(borrow: &Borrow<'_>) -> &'static str {
    let Borrow::Reference(reference) = borrow else {
        return "take an owned value, or write `'static` for the lifetime";
    };
    match &*reference.elem {
        Type::Path(path) if path.path.is_ident("str") => "take a `String`",
        Type::Slice(_) => "take a `Vec<T>` or `web::Bytes`",
        _ => "take it by value, or share it as `Arc<T>` or `web::Data<T>`",
    }
}

/// The body moves into a function inside the function, where `Self` has no meaning.
fn check_self_type(item: &ItemFn, errors: &mut Errors) {
    struct Finder<'a>(Option<&'a Path>);
    impl<'a> Visit<'a> for Finder<'a> {
        fn visit_path(&mut self, path: &'a Path) {
            if path
                .segments
                .first()
                .is_some_and(|segment| segment.ident == "Self")
            {
                self.0.get_or_insert(path);
            }
            visit::visit_path(self, path);
        }
        // An item inside the body has a `Self` of its own.
        fn visit_item(&mut self, _: &'a syn::Item) {}
        // The type of a receiver is part of the mistake that the receiver is.
        fn visit_receiver(&mut self, _: &'a syn::Receiver) {}
    }
    if item.sig.receiver().is_some() {
        return;
    }
    let mut finder = Finder(None);
    finder.visit_signature(&item.sig);
    finder.visit_block(&item.block);
    if let Some(path) = finder.0 {
        errors.at(
            path,
            "`Self` has no meaning in the body of an `#[offload]` function: write the type's name",
        );
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn errors_of(item: &ItemFn) -> Vec<String> {
        let mut errors = Errors::default();
        check(item, &mut errors);
        let text = errors
            .finish()
            .map(|tokens| tokens.to_string())
            .unwrap_or_default();
        text.split("compile_error ! {")
            .skip(1)
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_sound_function_has_no_errors() {
        let items: [ItemFn; 4] = [
            parse_quote!(
                fn f() {}
            ),
            parse_quote!(
                pub async fn f<'a: 'static, T: Send>(
                    a: &'a str,
                    web::Json(b): web::Json<T>,
                ) -> impl Responder {
                    b
                }
            ),
            parse_quote!(
                fn f(a: &'static str) -> Result<&'static str, Failure> {
                    Ok(a)
                }
            ),
            parse_quote!(
                fn f() -> u8 {
                    struct S;
                    impl S {
                        fn g() -> Self {
                            Self
                        }
                    }
                    0
                }
            ),
        ];
        for item in &items {
            assert_eq!(errors_of(item), [""; 0]);
        }
    }

    #[test]
    fn all_errors_of_one_function_come_at_once() {
        let errors = errors_of(&parse_quote! {
            #[offload]
            #[target_feature(enable = "avx2")]
            const unsafe extern "C" fn f(
                &self, req: HttpRequest, name: &str, #[cfg(unix)] n: u8, Form(x): Form<Cow<'_, str>>, _: &[u8], ...
            ) -> HttpResponse { todo() }
        });
        let expected = [
            "already has `#[offload]`",
            "`#[target_feature]`",
            "cannot be `const`",
            "cannot be `unsafe`",
            "cannot be `extern`",
            "variable number",
            "does not work on methods",
            "argument `req` cannot move",
            "argument `name` borrows",
            "which arguments a condition leaves",
            "argument `x` borrows",
            "argument number 6 borrows",
            "the result cannot come back",
        ];
        assert_eq!(errors.len(), expected.len(), "{errors:#?}");
        for (error, part) in errors.iter().zip(expected) {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    }

    #[test]
    fn a_borrowed_result_is_named_unless_an_argument_is_at_fault() {
        assert_eq!(
            errors_of(&parse_quote!(
                fn f() -> &str {
                    ""
                }
            ))
            .len(),
            1
        );
        let errors = errors_of(&parse_quote!(
            fn f(a: &str) -> &str {
                a
            }
        ));
        assert_eq!(errors.len(), 1);
        assert!(errors[0].contains("argument `a`"));
    }

    #[test]
    fn self_type_is_named_once() {
        assert_eq!(
            errors_of(&parse_quote!(
                fn f(a: Self) -> Self {
                    Self::g(a)
                }
            ))
            .len(),
            1
        );
    }
}

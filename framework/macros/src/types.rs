//! Tells from its name alone that a type can't cross threads, so that the message can name the way out.
//!
//! Only what is certain is judged here. Everything else is left to the compiler, which checks a trait of the expansion's
//! own at the same place and knows what a name means: a type of the user's own
//! that is called like one of actix's, or a wrapper that makes its content `Send`, must not be refused by its looks.

use syn::visit::{self, Visit};
use syn::{
    GenericArgument, Generics, Lifetime, Path, PathArguments, Type, TypePath, TypeReference,
};

const REQUEST: &str = "extract what the body needs (`web::Path`, `web::Query`, `web::Header`, \
    `web::Json`), or read the request in an async handler and call this function with the values";
const RESPONSE: &str = "return the values that the response is made of: `web::Json<T>`, `String`, \
    `web::Bytes`, or one of these in a pair with an `http::StatusCode`";
const STREAM: &str = "take the whole body (`web::Bytes`, `web::Json`), or read the stream in an \
    async handler and call this function with the values";
const ERROR: &str = "use an error type of your own that implements `ResponseError` and is `Send`";
const SHARED: &str = "use `std::sync::Arc`";

/// A type that is known not to be `Send`.
struct Known {
    name: &'static str,
    /// First segments of the paths that surely mean this type.
    crates: &'static [&'static str],
    /// Whether the name alone, without a path, is distinctive enough.
    bare: bool,
    way_out: &'static str,
}

const ACTIX: &[&str] = &["actix_web", "actix_http"];

const KNOWN: &[Known] = &[
    Known {
        name: "HttpRequest",
        crates: ACTIX,
        bare: true,
        way_out: REQUEST,
    },
    Known {
        name: "ServiceRequest",
        crates: ACTIX,
        bare: true,
        way_out: REQUEST,
    },
    Known {
        name: "HttpResponse",
        crates: ACTIX,
        bare: true,
        way_out: RESPONSE,
    },
    Known {
        name: "ServiceResponse",
        crates: ACTIX,
        bare: true,
        way_out: RESPONSE,
    },
    Known {
        name: "Payload",
        crates: ACTIX,
        bare: false,
        way_out: STREAM,
    },
    Known {
        name: "Multipart",
        crates: &["actix_multipart"],
        bare: false,
        way_out: STREAM,
    },
    Known {
        name: "Error",
        crates: ACTIX,
        bare: false,
        way_out: ERROR,
    },
    Known {
        name: "Rc",
        crates: &["std", "alloc"],
        bare: true,
        way_out: SHARED,
    },
];

/// A type, somewhere in a signature, that can't cross threads.
pub(crate) struct Found<'a> {
    pub(crate) path: &'a TypePath,
    pub(crate) name: &'static str,
    pub(crate) way_out: &'static str,
}

/// The first type in `ty` that is known not to be `Send`.
///
/// Looks into tuples, arrays, and the few containers that are `Send` only if their content is.
pub(crate) fn find_known(ty: &Type) -> Option<Found<'_>> {
    match ty {
        Type::Path(path) if path.qself.is_none() => known(path).or_else(|| {
            let last = path.path.segments.last()?;
            let PathArguments::AngleBracketed(args) = &last.arguments else {
                return None;
            };
            if !["Option", "Result", "Vec", "Box"]
                .iter()
                .any(|name| last.ident == name)
            {
                return None;
            }
            args.args.iter().find_map(|arg| match arg {
                GenericArgument::Type(ty) => find_known(ty),
                _ => None,
            })
        }),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(find_known),
        Type::Array(array) => find_known(&array.elem),
        Type::Paren(paren) => find_known(&paren.elem),
        Type::Group(group) => find_known(&group.elem),
        _ => None,
    }
}

fn known(path: &TypePath) -> Option<Found<'_>> {
    let first = &path.path.segments.first()?.ident;
    let last = &path.path.segments.last()?.ident;
    let bare = path.path.segments.len() == 1 && path.path.leading_colon.is_none();
    let known = KNOWN.iter().find(|known| {
        let certain = if bare {
            known.bare
        } else {
            known.crates.iter().any(|krate| first == krate)
        };
        last == known.name && certain
    })?;
    Some(Found {
        path,
        name: known.name,
        way_out: known.way_out,
    })
}

/// What in a type borrows from the caller.
pub(crate) enum Borrow<'a> {
    Reference(&'a TypeReference),
    Lifetime(&'a Lifetime),
}

/// The first part of `ty` that borrows for less than `'static`.
///
/// Signatures inside the type (`fn(&str)`, `dyn Fn(&str)`, `impl Trait<'_>`) borrow nothing by themselves; where they do
/// after all, the compiler says so.
pub(crate) fn find_borrow(ty: &Type) -> Option<Borrow<'_>> {
    let mut finder = BorrowFinder(None);
    finder.visit_type(ty);
    finder.0
}

struct BorrowFinder<'a>(Option<Borrow<'a>>);

impl<'a> Visit<'a> for BorrowFinder<'a> {
    fn visit_type(&mut self, ty: &'a Type) {
        let signature = matches!(
            ty,
            Type::FnPtr(_) | Type::TraitObject(_) | Type::ImplTrait(_)
        );
        if self.0.is_none() && !signature {
            visit::visit_type(self, ty);
        }
    }

    fn visit_type_reference(&mut self, reference: &'a TypeReference) {
        if reference
            .lifetime
            .as_ref()
            .is_some_and(|lifetime| lifetime.ident == "static")
        {
            self.visit_type(&reference.elem);
        } else {
            self.0.get_or_insert(Borrow::Reference(reference));
        }
    }

    fn visit_lifetime(&mut self, lifetime: &'a Lifetime) {
        if lifetime.ident != "static" {
            self.0.get_or_insert(Borrow::Lifetime(lifetime));
        }
    }

    fn visit_path_arguments(&mut self, arguments: &'a PathArguments) {
        if !matches!(arguments, PathArguments::Parenthesized(_)) {
            visit::visit_path_arguments(self, arguments);
        }
    }

    fn visit_expr(&mut self, _: &'a syn::Expr) {}
}

/// Whether the type can be written down outside of a signature. `impl Trait` and `!` can't.
pub(crate) fn can_be_named(ty: &Type) -> bool {
    struct Finder(bool);
    impl<'a> Visit<'a> for Finder {
        fn visit_type_impl_trait(&mut self, _: &'a syn::TypeImplTrait) {
            self.0 = true;
        }
        fn visit_type_never(&mut self, _: &'a syn::TypeNever) {
            self.0 = true;
        }
    }
    let mut finder = Finder(false);
    finder.visit_type(ty);
    !finder.0
}

/// Whether the type depends on one of the type parameters.
pub(crate) fn mentions_parameter(ty: &Type, generics: &Generics) -> bool {
    struct Finder<'g>(&'g Generics, bool);
    impl<'a> Visit<'a> for Finder<'_> {
        fn visit_path(&mut self, path: &'a Path) {
            let first = path.segments.first();
            self.1 |= first
                .is_some_and(|first| self.0.type_params().any(|param| param.ident == first.ident));
            visit::visit_path(self, path);
        }
    }
    let mut finder = Finder(generics, false);
    finder.visit_type(ty);
    finder.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty(text: &str) -> Type {
        syn::parse_str(text).unwrap()
    }

    #[test]
    fn a_type_that_is_surely_not_send_is_found() {
        for (text, name) in [
            ("HttpRequest", "HttpRequest"),
            ("actix_web::HttpRequest", "HttpRequest"),
            ("::actix_web::dev::ServiceRequest", "ServiceRequest"),
            ("Option<HttpRequest>", "HttpRequest"),
            ("(u8, HttpRequest)", "HttpRequest"),
            ("Result<HttpResponse<Body>, Failure>", "HttpResponse"),
            ("Result<u8, actix_web::Error>", "Error"),
            ("actix_web::web::Payload", "Payload"),
            ("Vec<Box<Rc<u8>>>", "Rc"),
            ("std::rc::Rc<str>", "Rc"),
            ("[Rc<u8>; 2]", "Rc"),
        ] {
            let ty = ty(text);
            assert_eq!(
                find_known(&ty).map(|found| found.name),
                Some(name),
                "{text}"
            );
        }
    }

    #[test]
    fn a_type_that_only_looks_like_one_is_left_to_the_compiler() {
        for text in [
            "Payload",
            "Error",
            "crate::model::HttpRequest",
            "self::Rc<u8>",
            "web::Json<Payload>",
            "SendWrapper<Rc<u8>>",
            "Arc<u8>",
            "fn(HttpRequest) -> HttpResponse",
            "<HttpRequest as Named>::Name",
            "anyhow::Error",
        ] {
            let ty = ty(text);
            assert!(find_known(&ty).is_none(), "{text}");
        }
    }

    #[test]
    fn a_borrow_is_found_wherever_it_hides() {
        for text in [
            "&str",
            "&mut u8",
            "Option<&'a str>",
            "Cow<'_, str>",
            "(u8, &[u8])",
            "&'static &str",
        ] {
            let ty = ty(text);
            assert!(find_borrow(&ty).is_some(), "{text}");
        }
    }

    #[test]
    fn what_lives_for_ever_or_only_describes_a_borrow_is_no_borrow() {
        for text in [
            "&'static str",
            "Cow<'static, str>",
            "fn(&str) -> &str",
            "Box<dyn Fn(&str) -> usize + Send>",
            "impl Fn(&str) -> usize + Send + 'static",
            "for<'a> fn(&'a str) -> &'a str",
            "[u8; { let a = &1; *a }]",
        ] {
            let ty = ty(text);
            assert!(find_borrow(&ty).is_none(), "{text}");
        }
    }

    #[test]
    fn an_opaque_type_cannot_be_named() {
        assert!(can_be_named(&ty("Result<Vec<u8>, Failure>")));
        assert!(!can_be_named(&ty("Result<impl Responder, Failure>")));
        assert!(!can_be_named(&ty("impl Into<String>")));
    }

    #[test]
    fn a_type_parameter_is_found_wherever_it_hides() {
        let item: syn::ItemFn = syn::parse_quote!(
            fn f<'a, T: Into<String>, const N: usize>() {}
        );
        for (text, mentioned) in [
            ("T", true),
            ("T::Item", true),
            ("web::Json<Vec<T>>", true),
            ("<T as Iterator>::Item", true),
            ("[u8; N]", false),
            ("other::T", false),
            ("Vec<u8>", false),
        ] {
            assert_eq!(
                mentions_parameter(&ty(text), &item.sig.generics),
                mentioned,
                "{text}"
            );
        }
    }
}

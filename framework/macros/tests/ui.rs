//! What the attribute accepts and what it says to the rest; a changed `.stderr` is a change of the user interface.

#[test]
fn good_uses_compile_and_bad_ones_say_what_to_do() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}

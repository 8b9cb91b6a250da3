//! Every `console` block of README and docs runs, and prints what the page says. After a wanted change:
//! `TRYCMD=overwrite cargo test -p policy-cli --test docs`, then read the difference.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

#[test]
fn the_pages_print_what_they_say() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    std::env::set_current_dir(root).expect("the project's folder");
    trycmd::TestCases::new()
        .default_bin_name("policy")
        .case("README.md")
        .case("docs/*.md")
        .case("policy-cli/tests/cmd/*.md");
}

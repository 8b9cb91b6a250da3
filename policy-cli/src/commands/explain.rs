//! `policy explain`.

use std::io::Write;

use policy_core::actions::{NAMES, documentation};
use policy_core::catalog;
use policy_core::diagnostic::did_you_mean;

use crate::cli::Explain;
use crate::exit::{Exit, Failure, after_output};

/// Runs `policy explain`.
pub(crate) fn run(args: &Explain) -> Result<Exit, Failure> {
    let wanted = args.code.to_lowercase();
    // The readable name works as well as the number.
    let by_slug = catalog::codes().find(|code| code.slug == wanted).map(|code| code.id);
    let action = || documentation(&wanted).map(|action| action.page);
    let Some(page) = catalog::page(by_slug.unwrap_or(&args.code)).or_else(action) else {
        let names = catalog::codes().map(|code| code.slug).chain(NAMES.iter().copied());
        let near = did_you_mean(&wanted, names);
        let hint = near.map_or_else(
            || "`policy lint` prints the codes of its findings".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(Failure::Usage(format!("unknown diagnostic or action `{}`; {hint}", args.code)));
    };
    let mut out = anstream::stdout().lock();
    let written = out.write_all(page.as_bytes()).and_then(|()| out.flush());
    after_output(written, Exit::Success)
}

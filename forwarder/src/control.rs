//! Who is who, and who may change it.
//!
//! In order: files that are `private`, how fast somebody may fail (`limit`), service users, authtokens and API keys ([`identity`]), who calls and what events say of it ([`audit`]), and
//! the API over all that ([`admin`]).

pub mod admin;
/// [`audit::Audit`] writes who changed what through the API.
pub mod audit;
/// [`identity::Identity`] knows service users, authtokens and API keys.
pub mod identity;
pub(crate) mod limit;
pub(crate) mod private;

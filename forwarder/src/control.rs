//! Who is who, and who may change it.
//!
//! In order: service users, authtokens and API keys ([`identity`]), and the API over them ([`admin`]).

pub mod admin;
pub mod identity;

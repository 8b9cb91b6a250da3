//! The parts of messages that policies read, by number.

/// Makes the enum with a list of all parts.
macro_rules! parts {
    ($($part:ident),+ $(,)?) => {
        /// A part of a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Part { $($part),+ }

        impl Part {
            const ALL: &[Self] = &[$(Self::$part),+];
        }
    };
}

parts! {
    Method,
    Host,
    Version,
    RequestLocation,
    RequestLength,
    RequestEncoding,
    RequestType,
    RequestTypeParameters,
    RequestTypeRaw,
    RequestCookies,
    RequestHeaders,
    RequestTrailers,
    HeaderReceived,
    BodyReceived,
    Url,
    UrlAuthority,
    UrlHost,
    UrlPath,
    UrlPort,
    UrlQuery,
    QueryParams,
    UrlRaw,
    UrlRawPath,
    UrlScheme,
    UrlUri,
    UrlUserPassword,
    UserAgent,
    StatusCode,
    ResponseLength,
    ResponseEncoding,
    ResponseType,
    ResponseTypeParameters,
    ResponseTypeRaw,
    ResponseHeaders,
    ResponseTrailers,
    ResponseLocation,
    ResponseCookies,
}

impl Part {
    /// True for the response, false for the request.
    #[inline]
    pub(crate) const fn is_of_response(self) -> bool {
        self as u8 >= Self::StatusCode as u8
    }

    /// The part of a number. O(1).
    #[inline]
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

//! Which code of a program runs, and who is told what happens.

use crate::trace::Trace;

/// Which code runs: [`Specialised`] for decisions, [`AsWritten`] for traced runs. Both decide alike. There is no other,
/// and none is a default that a host could miss: it follows from the method that begins the run.
pub trait Mode: sealed::Sealed {
    /// True for the code that the compiler made for the class of the client's address.
    #[doc(hidden)]
    const SPECIALISED: bool;

    /// Who is told.
    #[doc(hidden)]
    fn sink(&mut self) -> &mut dyn Trace;
}

/// What the compiler made for the class of the client's address: decided tests are gone, and conditions are tests on
/// borrowed facts, which allocate nothing, where the compiler could make them such. Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Specialised(NoTrace);

/// A sink that is told nothing.
#[derive(Clone, Copy, Debug, Default)]
struct NoTrace;

/// Every rule, condition and address test as written, conditions in the interpreter, which is slower. A sink is
/// told.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsWritten<T>(pub(super) T);

mod sealed {
    use crate::trace::Trace;

    pub trait Sealed {}
    impl Sealed for super::Specialised {}
    impl<T: Trace> Sealed for super::AsWritten<T> {}
}

impl Trace for NoTrace {}

impl Mode for Specialised {
    const SPECIALISED: bool = true;

    #[inline]
    fn sink(&mut self) -> &mut dyn Trace {
        &mut self.0
    }
}

impl<T: Trace> Mode for AsWritten<T> {
    const SPECIALISED: bool = false;

    fn sink(&mut self) -> &mut dyn Trace {
        &mut self.0
    }
}

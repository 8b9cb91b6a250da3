//! The tree of an expression: an arena, dropped without recursion.

use crate::source::Span;

/// A node of an [`Ast`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExprId(pub(in crate::cel) u32);

/// A literal value.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A signed whole number.
    Int(i64),
    /// An unsigned whole number, `1u`.
    Uint(u64),
    /// A floating-point number.
    Double(f64),
    /// A text.
    String(Box<str>),
    /// Bytes, `b'…'`.
    Bytes(Box<[u8]>),
}

/// An operator before its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `!`.
    Not,
    /// `-`.
    Negate,
}

impl UnaryOp {
    /// How it is written.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Not => "!",
            Self::Negate => "-",
        }
    }

    /// The function it calls.
    pub(in crate::cel) const fn function(self) -> &'static str {
        match self {
            Self::Not => "!",
            Self::Negate => "-_",
        }
    }
}

/// An operator between its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is its symbol")]
pub enum BinaryOp {
    Or,
    And,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl BinaryOp {
    /// How it is written.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }

    /// The function it calls; `&&` and `||` are none.
    pub(in crate::cel) const fn function(self) -> &'static str {
        match self {
            Self::Or => "_||_",
            Self::And => "_&&_",
            Self::Less => "_<_",
            Self::LessEqual => "_<=_",
            Self::Greater => "_>_",
            Self::GreaterEqual => "_>=_",
            Self::Equal => "_==_",
            Self::NotEqual => "_!=_",
            Self::In => "_in_",
            Self::Add => "_+_",
            Self::Subtract => "_-_",
            Self::Multiply => "_*_",
            Self::Divide => "_/_",
            Self::Modulo => "_%_",
        }
    }

    /// How strongly it binds; all associate to the left.
    #[must_use]
    pub const fn binding(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Less
            | Self::LessEqual
            | Self::Greater
            | Self::GreaterEqual
            | Self::Equal
            | Self::NotEqual
            | Self::In => 3,
            Self::Add | Self::Subtract => 4,
            Self::Multiply | Self::Divide | Self::Modulo => 5,
        }
    }
}

/// An item of a list or an entry of a map or message; `optional` if written with `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<K> {
    /// Its key; nothing for an item of a list.
    pub key: K,
    /// Its value.
    pub value: ExprId,
    /// True if written with `?`: an absent optional leaves it out.
    pub optional: bool,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A literal.
    Literal(Literal),
    /// A name; with a leading dot it is absolute.
    Ident {
        /// The name.
        name: Box<str>,
        /// True for `.name`.
        absolute: bool,
    },
    /// `operand.field`, `operand.?field`.
    Select {
        /// What is looked into.
        operand: ExprId,
        /// The field.
        field: Box<str>,
        /// True for `.?`.
        optional: bool,
    },
    /// `operand[index]`, `operand[?index]`.
    Index {
        /// What is looked into.
        operand: ExprId,
        /// The key or position.
        index: ExprId,
        /// True for `[?`.
        optional: bool,
    },
    /// `function(…)`, `receiver.function(…)`.
    Call {
        /// What stands before the dot.
        receiver: Option<ExprId>,
        /// The function or macro.
        function: Box<str>,
        /// True for `.function(…)`.
        absolute: bool,
        /// The arguments.
        arguments: Vec<ExprId>,
    },
    /// `[…]`.
    List(Vec<Entry<()>>),
    /// `{…}`.
    Map(Vec<Entry<ExprId>>),
    /// `Name{…}`.
    Message {
        /// The type's name, dots included.
        name: Box<str>,
        /// The fields.
        fields: Vec<Entry<Box<str>>>,
    },
    /// `!x`, `-x`.
    Unary(UnaryOp, ExprId),
    /// `x + y`.
    Binary(BinaryOp, ExprId, ExprId),
    /// `condition ? then : otherwise`.
    Conditional {
        /// The condition.
        condition: ExprId,
        /// The value if it holds.
        then: ExprId,
        /// The value if not.
        otherwise: ExprId,
    },
    /// A part that could not be read; a diagnostic says why.
    Broken,
}

/// A parsed expression.
#[derive(Clone, Debug, Default)]
pub struct Ast {
    pub(in crate::cel) nodes: Vec<(ExprKind, Span)>,
    pub(in crate::cel) root: Option<ExprId>,
}

impl Ast {
    /// The whole expression; `None` if there is nothing to be read.
    #[must_use]
    pub const fn root(&self) -> Option<ExprId> {
        self.root
    }

    /// What a node is; [`ExprKind::Broken`] for an id of another tree.
    #[must_use]
    pub fn kind(&self, id: ExprId) -> &ExprKind {
        self.nodes.get(id.0 as usize).map_or(&ExprKind::Broken, |(kind, _)| kind)
    }

    /// The place of a node in the expression's text, from its first to its last character.
    #[must_use]
    pub fn span(&self, id: ExprId) -> Span {
        self.nodes.get(id.0 as usize).map(|(_, span)| *span).unwrap_or_default()
    }

    /// Number of nodes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True if there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

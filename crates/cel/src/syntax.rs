//! Expressions as trees.

/// An expression and where its characteristic sign is.
#[derive(Debug)]
pub struct Expr {
    pub at: usize,
    pub node: Node,
}

#[derive(Debug)]
pub enum Node {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Ident(String),
    /// A field; whether it is only asked for; whether it may be missing.
    Select {
        of: Box<Expr>,
        field: String,
        is_test: bool,
        is_optional: bool,
    },
    Call {
        function: String,
        target: Option<Box<Expr>>,
        arguments: Vec<Expr>,
    },
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    /// A message: its name, and its fields with the places of their colons.
    Message {
        name: String,
        fields: Vec<(usize, String, Expr)>,
    },
    /// A loop over a target, or a name for it (`bind`): the macro, its variables, and the rest of its arguments.
    Loop {
        name: String,
        target: Box<Expr>,
        variables: Vec<String>,
        arguments: Vec<Expr>,
    },
    /// Something that could not be read.
    Broken,
}

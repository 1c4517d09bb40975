//! Macros: calls that are expanded into larger expressions.

use crate::syntax::{ACCU, Comprehension, Expr, Literal, SyntaxNode, UNUSED};

/// The side of the parser that macros need.
pub trait Maker {
    fn make(&mut self, at: usize, node: SyntaxNode) -> Expr;
    fn mistake(&mut self, at: usize, message: String) -> Expr;
}

/// A call with a target, or its expansion.
pub fn expanded(
    maker: &mut dyn Maker,
    at: usize,
    function: String,
    target: Expr,
    arguments: Vec<Expr>,
    has_bind: bool,
) -> Expr {
    let is_bind = has_bind && matches!(&target.node, SyntaxNode::Ident(name) if name == "cel");
    let count = match (function.as_str(), arguments.len()) {
        ("bind", 3) if is_bind => 1,
        ("all" | "exists" | "exists_one" | "map" | "filter", 2) | ("map", 3) => 1,
        ("optMap" | "optFlatMap" | "sortBy", 2) => 1,
        (
            "all" | "exists" | "existsOne" | "exists_one" | "transformList" | "transformMap"
            | "transformMapEntry",
            3,
        ) => 2,
        ("transformList" | "transformMap" | "transformMapEntry", 4) => 2,
        _ => 0,
    };
    if count == 0 {
        return maker.make(at, SyntaxNode::Call { function, target: Some(Box::new(target)), arguments });
    }
    let mut names = Vec::new();
    let mut rest = arguments.into_iter();
    for argument in rest.by_ref().take(count) {
        match argument.node {
            SyntaxNode::Ident(name) if name == "__result__" => {
                let why = "iteration variable overwrites accumulator variable";
                return maker.mistake(argument.at, why.to_owned());
            }
            SyntaxNode::Ident(name) if names.contains(&name) => {
                return maker.mistake(argument.at, format!("duplicate variable name: {name}"));
            }
            SyntaxNode::Ident(name) => names.push(name),
            SyntaxNode::Broken => return maker.make(at, SyntaxNode::Broken),
            _ => return maker.mistake(argument.at, wrong_name(&function, count).to_owned()),
        }
    }
    let mut names = names.into_iter();
    let (first, second) = (names.next().unwrap_or_default(), names.next());
    MacroWriter { maker, at }.write(&function, target, (first, second), rest.collect())
}

fn wrong_name(function: &str, count: usize) -> &'static str {
    match function {
        "map" | "filter" | "sortBy" => "argument is not an identifier",
        "bind" => "cel.bind() variable names must be simple identifiers",
        "optMap" => "optMap() variable name must be a simple identifier",
        "optFlatMap" => "optFlatMap() variable name must be a simple identifier",
        _ if count > 0 => "argument must be a simple name",
        _ => "",
    }
}

/// Writes the parts of one macro, all at its place.
struct MacroWriter<'a> {
    maker: &'a mut dyn Maker,
    at: usize,
}

impl MacroWriter<'_> {
    fn write(
        mut self,
        function: &str,
        target: Expr,
        vars: (String, Option<String>),
        arguments: Vec<Expr>,
    ) -> Expr {
        let mut arguments = arguments.into_iter();
        let mut next = || arguments.next();
        let first = next();
        let (filter, body) = match next() {
            Some(second) => (first, Some(second)),
            None => (None, first),
        };
        let Some(body) = body else { return self.maker.make(self.at, SyntaxNode::Broken) };
        match function {
            "bind" => {
                // The value is the first of the rest.
                let Some(value) = filter else { return body };
                self.bind(vars.0, value, body)
            }
            "all" => self.quantifier(target, vars, body, true),
            "exists" => self.quantifier(target, vars, body, false),
            "exists_one" | "existsOne" => self.exactly_one(target, vars, body),
            "sortBy" => self.sort_by(target, vars.0, body),
            "optMap" | "optFlatMap" => self.of_optional(target, vars.0, body, function == "optMap"),
            _ => self.transformed(function, target, vars, (filter, body)),
        }
    }

    fn make(&mut self, node: SyntaxNode) -> Expr {
        self.maker.make(self.at, node)
    }

    fn literal(&mut self, literal: Literal) -> Expr {
        self.make(SyntaxNode::Literal(literal))
    }

    fn ident(&mut self, name: &str) -> Expr {
        self.make(SyntaxNode::Ident(name.to_owned()))
    }

    fn accu(&mut self) -> Expr {
        self.ident(ACCU)
    }

    fn call(&mut self, function: &str, arguments: Vec<Expr>) -> Expr {
        self.make(SyntaxNode::Call { function: function.to_owned(), target: None, arguments })
    }

    fn method(&mut self, target: Expr, function: &str, arguments: Vec<Expr>) -> Expr {
        self.make(SyntaxNode::Call {
            function: function.to_owned(),
            target: Some(Box::new(target)),
            arguments,
        })
    }

    fn comprehension(
        &mut self,
        range: Expr,
        (var, second): (String, Option<String>),
        [init, condition, step, result]: [Expr; 4],
    ) -> Expr {
        let comprehension =
            Comprehension { range, var, second, accu: ACCU.to_owned(), init, condition, step, result };
        self.make(SyntaxNode::Comprehension(Box::new(comprehension)))
    }

    fn bind(&mut self, name: String, value: Expr, body: Expr) -> Expr {
        let range = self.make(SyntaxNode::List(Vec::new()));
        let condition = self.literal(Literal::Bool(false));
        let step = self.ident(&name);
        let var = UNUSED.to_owned();
        let comprehension = Comprehension {
            range,
            var,
            second: None,
            accu: name,
            init: value,
            condition,
            step,
            result: body,
        };
        self.make(SyntaxNode::Comprehension(Box::new(comprehension)))
    }

    fn quantifier(&mut self, range: Expr, vars: (String, Option<String>), body: Expr, all: bool) -> Expr {
        let init = self.literal(Literal::Bool(all));
        let accu = self.accu();
        let asked = if all { accu } else { self.call("!_", vec![accu]) };
        let condition = self.call("@not_strictly_false", vec![asked]);
        let accu = self.accu();
        let step = self.call(if all { "_&&_" } else { "_||_" }, vec![accu, body]);
        let result = self.accu();
        self.comprehension(range, vars, [init, condition, step, result])
    }

    fn exactly_one(&mut self, range: Expr, vars: (String, Option<String>), body: Expr) -> Expr {
        let init = self.literal(Literal::Int(0));
        let condition = self.literal(Literal::Bool(true));
        let (accu, one) = (self.accu(), self.literal(Literal::Int(1)));
        let more = self.call("_+_", vec![accu, one]);
        let accu = self.accu();
        let step = self.call("_?_:_", vec![body, more, accu]);
        let (accu, one) = (self.accu(), self.literal(Literal::Int(1)));
        let result = self.call("_==_", vec![accu, one]);
        self.comprehension(range, vars, [init, condition, step, result])
    }

    /// `map`, `filter`, and the macros that make lists and maps of pairs.
    fn transformed(
        &mut self,
        function: &str,
        range: Expr,
        vars: (String, Option<String>),
        (filter, body): (Option<Expr>, Expr),
    ) -> Expr {
        let (filter, body) = match function {
            "filter" => (Some(body), self.ident(&vars.0)),
            _ => (filter, body),
        };
        let accu = self.accu();
        let (init, grown) = match function {
            "transformMap" => {
                let key = self.ident(&vars.0);
                (SyntaxNode::Map(Vec::new()), self.call("cel.@mapInsert", vec![accu, key, body]))
            }
            "transformMapEntry" => {
                (SyntaxNode::Map(Vec::new()), self.call("cel.@mapInsert", vec![accu, body]))
            }
            _ => {
                let item = self.make(SyntaxNode::List(vec![(body, false)]));
                (SyntaxNode::List(Vec::new()), self.call("_+_", vec![accu, item]))
            }
        };
        let init = self.make(init);
        let condition = self.literal(Literal::Bool(true));
        let step = match filter {
            Some(filter) => {
                let accu = self.accu();
                self.call("_?_:_", vec![filter, grown, accu])
            }
            None => grown,
        };
        let result = self.accu();
        self.comprehension(range, vars, [init, condition, step, result])
    }

    fn sort_by(&mut self, target: Expr, var: String, body: Expr) -> Expr {
        const INPUT: &str = "@__sortBy_input__";
        let range = self.ident(INPUT);
        let keys = self.transformed("map", range, (var, None), (None, body));
        let input = self.ident(INPUT);
        let sorted = self.method(input, "@sortByAssociatedKeys", vec![keys]);
        self.bind(INPUT.to_owned(), target, sorted)
    }

    /// `t.optMap(v, e)` is `t.hasValue() ? optional.of(bind(v, t.value(), e)) : optional.none()`; the target gets a
    /// name, since it is used twice.
    fn of_optional(&mut self, target: Expr, var: String, body: Expr, wraps: bool) -> Expr {
        const TARGET: &str = "@target";
        let (is_simple, name) = match &target.node {
            SyntaxNode::Ident(name) => (true, name.clone()),
            _ => (false, TARGET.to_owned()),
        };
        let asked = self.ident(&name);
        let asked = self.method(asked, "hasValue", Vec::new());
        let value = self.ident(&name);
        let value = self.method(value, "value", Vec::new());
        let mut found = self.bind(var, value, body);
        if wraps {
            found = self.call("optional.of", vec![found]);
        }
        let none = self.call("optional.none", Vec::new());
        let chosen = self.call("_?_:_", vec![asked, found, none]);
        if is_simple { chosen } else { self.bind(TARGET.to_owned(), target, chosen) }
    }
}

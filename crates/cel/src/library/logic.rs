//! Operators that are program steps of their own; here are only their types.

use super::function::{Function, function};
use crate::value::{Error, Outcome, Value};

const INDEX: &str = "list(A),int=A!index;map(A,B),A=B!index;optional(list(A)),int=optional(A)!index;\
                     optional(map(A,B)),A=optional(B)!index";
const OPTIONAL_INDEX: &str = "list(A),int=optional(A)!index;optional(list(A)),int=optional(A)!index;\
                              map(A,B),A=optional(B)!index;optional(map(A,B)),A=optional(B)!index";

pub const FUNCTIONS: &[Function] = &[
    function("_&&_", "bool,bool=bool!logic", is_a_step),
    function("_||_", "bool,bool=bool!logic", is_a_step),
    function("_?_:_", "bool,A,A=A!conditional", is_a_step),
    function("_[_]", INDEX, is_a_step),
    function("_[?_]", OPTIONAL_INDEX, is_a_step),
    function("_?._", "dyn,string=optional(A)", is_a_step),
    function("@not_strictly_false", "bool=bool", is_a_step),
    function("dyn", "A=dyn", is_a_step),
    function("cel.@mapInsert", "map(A,B),A,B=map(A,B);map(A,B),map(A,B)=map(A,B)", is_a_step),
    function("!_", "bool=bool", not),
];

fn is_a_step<'a>(_: &[Value<'a>]) -> Outcome<'a> {
    Err(Error::no_overload())
}

fn not<'a>(given: &[Value<'a>]) -> Outcome<'a> {
    match given {
        [Value::Bool(it)] => Ok(Value::Bool(!it)),
        _ => Err(Error::no_overload()),
    }
}

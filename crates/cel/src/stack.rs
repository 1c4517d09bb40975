//! Stacks for expressions that go deep.

/// The length in characters, or the depth of steps, from which an expression is handled on a stack of its own.
pub const DEEP: usize = 100;
const STACK_BYTES: usize = 64 << 20;

/// Runs something on a stack of its own if it may go deep.
pub fn on_stack<T>(is_deep: bool, run: impl FnOnce() -> T) -> T {
    if is_deep { stacker::grow(STACK_BYTES, run) } else { run() }
}

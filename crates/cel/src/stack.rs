//! Stacks for expressions that go deep.

/// How many signs an expression may have before it is looked at on a stack of its own.
pub const DEEP: usize = 100;
const STACK: usize = 64 << 20;

/// Runs something that may go deep; None if there is no thread for it.
pub fn on_stack<T: Send>(is_deep: bool, run: &mut (dyn FnMut() -> T + Send)) -> Option<T> {
    if !is_deep {
        return Some(run());
    }
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        thread.spawn_scoped(threads, run).ok()?.join().ok()
    })
}

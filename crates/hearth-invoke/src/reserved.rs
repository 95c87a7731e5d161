//! Reserved concurrency: how many invocations of one function may run or wait at a time.
//!
//! Only functions that have it are counted, so everybody else pays nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use hearth_environment::mailbox::{Held, Hold};
use hearth_types::names::FunctionArn;

use crate::InvokeError;

/// How many invocations of each function run or wait.
#[derive(Debug, Default)]
pub(crate) struct Reserved {
    running: Mutex<HashMap<FunctionArn, u32>>,
}

/// One invocation that is counted, until it is dropped: by its caller or by its environment,
/// whichever keeps it longer.
#[derive(Debug)]
struct Execution {
    reserved: Arc<Reserved>,
    function: FunctionArn,
}

impl Held for Execution {}

impl Reserved {
    /// Counts one more, or refuses it.
    pub(crate) fn enter(
        self: &Arc<Self>,
        function: &FunctionArn,
        limit: u32,
    ) -> Result<Hold, InvokeError> {
        let mut running = self.running.lock().expect("nobody panics while counting");
        let count = running.get(function).copied().unwrap_or(0);
        if count >= limit {
            return Err(InvokeError::Reserved);
        }
        running.insert(function.clone(), count + 1);
        Ok(Arc::new(Execution { reserved: Arc::clone(self), function: function.clone() }))
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        let mut running = self.reserved.running.lock().expect("nobody panics while counting");
        match running.get_mut(&self.function) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(running.remove(&self.function)),
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, FunctionName, Region, Scope};

    use super::*;

    fn function(name: &str) -> FunctionArn {
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        FunctionArn { scope, name: FunctionName::parse(name).unwrap() }
    }

    #[test]
    fn a_place_is_free_again_when_its_invocation_is_over() {
        let reserved = Arc::new(Reserved::default());
        let (a, b) = (function("a"), function("b"));
        let first = reserved.enter(&a, 2).unwrap();
        let _second = reserved.enter(&a, 2).unwrap();
        assert!(matches!(reserved.enter(&a, 2), Err(InvokeError::Reserved)));
        assert!(reserved.enter(&b, 1).is_ok(), "each function has its own");
        drop(first);
        let again = reserved.enter(&a, 2);
        assert!(again.is_ok());
        assert!(matches!(reserved.enter(&b, 0), Err(InvokeError::Reserved)));
    }

    #[test]
    fn nothing_is_remembered_of_functions_that_do_not_run() {
        let reserved = Arc::new(Reserved::default());
        drop(reserved.enter(&function("a"), 1).unwrap());
        assert!(reserved.running.lock().unwrap().is_empty());
    }
}

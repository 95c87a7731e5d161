//! Reserved concurrency: how many invocations of one function may run or wait at a time.
//!
//! Only functions that have it are counted, so everybody else pays nothing.

use std::collections::HashMap;
use std::sync::Mutex;

use hearth_types::names::FunctionArn;

use crate::InvokeError;

/// How many invocations of each function run or wait.
#[derive(Debug, Default)]
pub(crate) struct Reserved {
    running: Mutex<HashMap<FunctionArn, u32>>,
}

/// One invocation that is counted, until it is dropped.
#[derive(Debug)]
pub(crate) struct Execution<'a> {
    reserved: &'a Reserved,
    function: FunctionArn,
}

impl Reserved {
    /// Counts one more, or refuses it.
    pub(crate) fn enter(
        &self,
        function: &FunctionArn,
        limit: u32,
    ) -> Result<Execution<'_>, InvokeError> {
        let mut running = self.running.lock().expect("nobody panics while counting");
        let count = running.get(function).copied().unwrap_or(0);
        if count >= limit {
            return Err(InvokeError::Reserved);
        }
        running.insert(function.clone(), count + 1);
        Ok(Execution { reserved: self, function: function.clone() })
    }
}

impl Drop for Execution<'_> {
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
        let reserved = Reserved::default();
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
        let reserved = Reserved::default();
        drop(reserved.enter(&function("a"), 1).unwrap());
        assert!(reserved.running.lock().unwrap().is_empty());
    }
}

//! Receipt handles: what a receiver settles a message with.
//!
//! A handle says which message of which queue it is for, by which receive, and when that was. It is
//! authenticated with the secret of its queue, so nobody can make one up. It stays valid over a
//! restart, and dies with its queue.
//!
//! ```text
//!  generation  entry  lease  received  until   code
//!      16        8      4       8        8      16    bytes, in base64
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_store::queue::{EntryId, Receipt};
use hearth_types::time::Timestamp;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::error::QueueError;
use super::record::QueueRecord;

/// What a handle says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle {
    /// The message, and which receive of it.
    pub(super) receipt: Receipt,
    /// When it was received.
    pub(super) received: Timestamp,
    /// Until when it was then to stay with its receiver.
    pub(super) until: Timestamp,
}

const GENERATION_BYTES: usize = 16;
const SAID_BYTES: usize = GENERATION_BYTES + 8 + 4 + 8 + 8;
const CODE_BYTES: usize = 16;

impl Handle {
    /// As the receiver gets it.
    pub(super) fn text(&self, queue: &QueueRecord) -> String {
        let mut bytes = Vec::with_capacity(SAID_BYTES + CODE_BYTES);
        bytes.extend_from_slice(queue.generation.as_bytes());
        bytes.extend_from_slice(&self.receipt.entry.0.to_be_bytes());
        bytes.extend_from_slice(&self.receipt.lease.to_be_bytes());
        bytes.extend_from_slice(&self.received.0.to_be_bytes());
        bytes.extend_from_slice(&self.until.0.to_be_bytes());
        let code = code(queue, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&code[..CODE_BYTES]);
        STANDARD.encode(bytes)
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// If it was not given out by this queue.
    pub(super) fn read(text: &str, queue: &QueueRecord) -> Result<Self, QueueError> {
        let invalid = || QueueError::ReceiptHandleIsInvalid(text.to_owned());
        let bytes = STANDARD.decode(text).map_err(|_not_base64| invalid())?;
        if bytes.len() != SAID_BYTES + CODE_BYTES {
            return Err(invalid());
        }
        let (said, told) = bytes.split_at(SAID_BYTES);
        code(queue, said).verify_truncated_left(told).map_err(|_forged| invalid())?;
        if !said.starts_with(queue.generation.as_bytes()) {
            return Err(invalid());
        }
        let mut rest = &said[GENERATION_BYTES..];
        let entry = EntryId(i64::from_be_bytes(next(&mut rest)));
        let lease = u32::from_be_bytes(next(&mut rest));
        let received = Timestamp(u64::from_be_bytes(next(&mut rest)));
        let until = Timestamp(u64::from_be_bytes(next(&mut rest)));
        Ok(Self { receipt: Receipt { entry, lease }, received, until })
    }
}

fn next<const BYTES: usize>(rest: &mut &[u8]) -> [u8; BYTES] {
    let (taken, behind) = rest.split_at(BYTES);
    *rest = behind;
    taken.try_into().expect("it was split off at this length")
}

fn code(queue: &QueueRecord, said: &[u8]) -> Hmac<Sha256> {
    let mut code =
        Hmac::<Sha256>::new_from_slice(queue.secret.as_bytes()).expect("a key may have any length");
    code.update(said);
    code
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hearth_types::names::{AccountId, Region, Scope};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::queues::attributes::Settings;

    fn queue(number: u128) -> QueueRecord {
        let account = AccountId::parse("000000000000").unwrap();
        QueueRecord {
            name: "q".to_owned(),
            scope: Scope { account, region: Region::parse("us-east-1").unwrap() },
            generation: Uuid::from_u128(number),
            secret: Uuid::from_u128(number + 1),
            created: Timestamp(0),
            modified: Timestamp(0),
            purged: None,
            settings: Settings::new(&BTreeMap::new()).unwrap(),
            tags: BTreeMap::new(),
        }
    }

    proptest! {
        #[test]
        fn a_handle_reads_back_as_itself_and_in_its_own_queue_only(
            entry in any::<i64>(), lease in any::<u32>(), received in any::<u64>(),
            until in any::<u64>(), flipped in 0..60_usize,
        ) {
            let receipt = Receipt { entry: EntryId(entry), lease };
            let (received, until) = (Timestamp(received), Timestamp(until));
            let handle = Handle { receipt, received, until };
            let text = handle.text(&queue(1));
            prop_assert_eq!(Handle::read(&text, &queue(1)).unwrap(), handle);
            prop_assert!(Handle::read(&text, &queue(2)).is_err());
            let mut forged = STANDARD.decode(&text).unwrap();
            forged[flipped] ^= 1;
            prop_assert!(Handle::read(&STANDARD.encode(forged), &queue(1)).is_err());
        }

        #[test]
        fn no_text_is_taken_for_a_handle(text in ".{0,120}") {
            let error = Handle::read(&text, &queue(1)).unwrap_err();
            prop_assert_eq!(error.code(), "ReceiptHandleIsInvalid");
        }
    }
}

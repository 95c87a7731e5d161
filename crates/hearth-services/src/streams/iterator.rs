//! Shard iterators: where a reader of a shard reads on. And the tokens of next pages.
//!
//! An iterator says which shard of which stream, at which record, and when it was given out. It is
//! authenticated with the secret of its stream, so nobody can make one up, and dies with it.
//!
//! ```text
//!  generation  shard  index  segment  offset  given out   name of the stream   code
//!      16        4      8       8        8        8              …              16    bytes, in base64
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::time::Timestamp;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::error::StreamError;
use super::log::Cursor;
use super::names::{ShardId, StreamName};
use super::quotas::{ITERATOR_MILLIS_MAX, TOKEN_MILLIS_MAX};
use super::record::StreamRecord;

/// What an iterator says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShardIterator {
    pub(super) shard: ShardId,
    pub(super) cursor: Cursor,
    /// When it was given out.
    pub(super) given: Timestamp,
}

const GENERATION_BYTES: usize = 16;
const FIELDS_BYTES: usize = 4 + 8 + 8 + 8 + 8;
const CODE_BYTES: usize = 16;

impl ShardIterator {
    /// As a reader gets it.
    pub(super) fn text(&self, stream: &StreamRecord) -> String {
        let name = format!("{}/{}/{}", stream.scope.account, stream.scope.region, stream.name);
        let mut bytes =
            Vec::with_capacity(GENERATION_BYTES + FIELDS_BYTES + name.len() + CODE_BYTES);
        // No segment begins with the index 0.
        let (segment, offset) = self.cursor.place.unwrap_or_default();
        bytes.extend_from_slice(stream.generation.as_bytes());
        bytes.extend_from_slice(&self.shard.0.to_be_bytes());
        for number in [self.cursor.index, segment, offset, self.given.0] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(name.as_bytes());
        let code = code(stream, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&code[..CODE_BYTES]);
        STANDARD.encode(bytes)
    }

    /// Reads one, of a stream that `find` knows.
    ///
    /// # Errors
    ///
    /// If it was not given out by a stream, or too long ago.
    pub(super) fn read<T: AsRef<StreamRecord>>(
        text: &str,
        now: Timestamp,
        find: impl FnOnce(&StreamName) -> Result<T, StreamError>,
    ) -> Result<(Self, T), StreamError> {
        let invalid = || StreamError::InvalidArgument("Invalid ShardIterator.".to_owned());
        let bytes = STANDARD.decode(text).map_err(|_not_base64| invalid())?;
        let at = bytes.len().checked_sub(CODE_BYTES).ok_or_else(invalid)?;
        let (said, told) = bytes.split_at(at);
        let (generation, rest) = said.split_at_checked(GENERATION_BYTES).ok_or_else(invalid)?;
        let (mut fields, name) = rest.split_at_checked(FIELDS_BYTES).ok_or_else(invalid)?;
        let stream = find(&name_of(name).ok_or_else(invalid)?)?;
        code(stream.as_ref(), said).verify_truncated_left(told).map_err(|_forged| invalid())?;
        if generation != stream.as_ref().generation.as_bytes() {
            return Err(invalid());
        }
        let shard = ShardId(u32::from_be_bytes(next(&mut fields)));
        let [index, segment, offset, given] =
            [(); 4].map(|()| u64::from_be_bytes(next(&mut fields)));
        let place = (segment > 0).then_some((segment, offset));
        let iterator = Self { shard, cursor: Cursor { index, place }, given: Timestamp(given) };
        if now.millis_since(iterator.given) > ITERATOR_MILLIS_MAX {
            return Err(StreamError::ExpiredIterator(format!(
                "Iterator expired. The iterator was created at time {} while right now it is {now} which is further in the future than the tolerated delay of {ITERATOR_MILLIS_MAX} milliseconds.",
                iterator.given
            )));
        }
        Ok((iterator, stream))
    }
}

fn name_of(bytes: &[u8]) -> Option<StreamName> {
    let mut parts = std::str::from_utf8(bytes).ok()?.splitn(3, '/');
    let account = AccountId::parse(parts.next()?).ok()?;
    let region = Region::parse(parts.next()?).ok()?;
    Some(StreamName { scope: Scope { account, region }, name: parts.next()?.to_owned() })
}

fn next<const BYTES: usize>(rest: &mut &[u8]) -> [u8; BYTES] {
    let (taken, behind) = rest.split_at(BYTES);
    *rest = behind;
    taken.try_into().expect("it was split off at this length")
}

fn code(stream: &StreamRecord, said: &[u8]) -> Hmac<Sha256> {
    let mut code = Hmac::<Sha256>::new_from_slice(stream.secret.as_bytes())
        .expect("a key of any length will do");
    code.update(said);
    code
}

/// Where the next page of a listing begins. It is all that is needed: nothing else may be said with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PageToken {
    /// Of which stream, if it is of one.
    pub(super) stream: Option<String>,
    /// The last item of the page before.
    pub(super) after: String,
    /// Which items are shown, if not all.
    #[serde(default)]
    pub(super) filter: Option<String>,
    /// When it was given out.
    pub(super) given: Timestamp,
}

impl PageToken {
    /// As a caller gets it.
    pub(super) fn text(&self) -> String {
        let json = serde_json::to_vec(self).expect("a token can be written as JSON");
        STANDARD.encode(json)
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// If it is none, or too old.
    pub(super) fn read(text: &str, now: Timestamp) -> Result<Self, StreamError> {
        let bytes = STANDARD.decode(text).ok();
        let token = bytes.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        let token =
            token.ok_or_else(|| StreamError::InvalidArgument("Invalid NextToken.".to_owned()))?;
        if now.millis_since(token.given) > TOKEN_MILLIS_MAX {
            let text = format!("NextToken expired. It was created at {}.", token.given);
            return Err(StreamError::ExpiredToken(text));
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::record::Mode;
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn stream(name: &str) -> Arc<StreamRecord> {
        let scope = Scope {
            account: AccountId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let name = StreamName { scope, name: name.to_owned() };
        Arc::new(StreamRecord::new(&name, (Mode::Provisioned, 1), NOW))
    }

    #[test]
    fn an_iterator_reads_back_until_it_is_too_old() {
        let orders = stream(&"o".repeat(128));
        let find = |name: &StreamName| {
            assert_eq!(name.name, orders.name);
            Ok(Arc::clone(&orders))
        };
        for place in [None, Some((7, 8))] {
            let cursor = Cursor { index: 9, place };
            let iterator = ShardIterator { shard: ShardId(3), cursor, given: NOW };
            let text = iterator.text(&orders);
            assert!(text.len() <= 512, "AWS: a shard iterator has 512 characters at the most");
            let read = |at| ShardIterator::read(&text, at, find).map(|(read, _)| read);
            let last = NOW.plus_millis(ITERATOR_MILLIS_MAX);
            assert_eq!(read(last).unwrap(), iterator);
            assert_eq!(read(last.plus_millis(1)).unwrap_err().code(), "ExpiredIteratorException");
        }
    }

    #[test]
    fn nobody_makes_one_up() {
        let (orders, others) = (stream("orders"), stream("orders"));
        let iterator = ShardIterator { shard: ShardId(0), cursor: Cursor::default(), given: NOW };
        let text = iterator.text(&orders);
        let find = |_: &StreamName| Ok(Arc::clone(&others));
        for text in [text.as_str(), "", "AAAA", "%", &"A".repeat(200)] {
            let read = ShardIterator::read(text, NOW, find);
            assert_eq!(read.unwrap_err().code(), "InvalidArgumentException", "{text}");
        }
    }
}

//! The primitive types of Kafka's protocol. Pure.
//!
//! # Promises
//!
//! 1. Whatever bytes are read, they are understood or refused; no length is believed before it has
//!    been checked against what is there.

/// The longest text that the protocol can carry.
const TEXT_BYTES_MAX: usize = 32_767;
/// Room that is made before anything was read.
const ITEMS_AT_FIRST: usize = 64;

/// Bytes that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bytes that cannot be understood")]
pub(super) struct Malformed;

/// Writes.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn i8(&mut self, number: i8) -> &mut Self {
        self.raw(&number.to_be_bytes())
    }

    pub(super) fn i16(&mut self, number: i16) -> &mut Self {
        self.raw(&number.to_be_bytes())
    }

    pub(super) fn i32(&mut self, number: i32) -> &mut Self {
        self.raw(&number.to_be_bytes())
    }

    pub(super) fn i64(&mut self, number: i64) -> &mut Self {
        self.raw(&number.to_be_bytes())
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let bytes = &text.as_bytes()[..text.len().min(TEXT_BYTES_MAX)];
        self.i16(i16::try_from(bytes.len()).unwrap_or(i16::MAX)).raw(bytes)
    }

    /// No text.
    pub(super) fn no_text(&mut self) -> &mut Self {
        self.i16(-1)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len()).raw(bytes)
    }

    /// How many items follow.
    pub(super) fn count(&mut self, items: usize) -> &mut Self {
        self.i32(i32::try_from(items).unwrap_or(i32::MAX))
    }

    /// A number of variable length, as records have it.
    pub(super) fn varint(&mut self, number: i64) -> &mut Self {
        let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
        loop {
            let low = u8::try_from(left & 0x7f).unwrap_or_default();
            left >>= 7;
            if left == 0 {
                self.0.push(low);
                return self;
            }
            self.0.push(low | 0x80);
        }
    }

    /// Bytes with a length of variable length, or none.
    pub(super) fn varbytes(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        match bytes {
            Some(bytes) => self.varint(i64::try_from(bytes.len()).unwrap_or(i64::MAX)).raw(bytes),
            None => self.varint(-1),
        }
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// Reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn i8(&mut self) -> Result<i8, Malformed> {
        self.array().map(i8::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    /// A text; nothing is an empty one.
    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        let length = usize::try_from(self.i16()?).unwrap_or_default();
        let bytes = self.take(length)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Bytes; nothing is none.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.i32()?).unwrap_or_default();
        self.take(length)
    }

    /// Items, each read by `read`. However many are announced, room is made for those that come.
    pub(super) fn items<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = usize::try_from(self.i32()?).unwrap_or_default();
        let mut items = Vec::with_capacity(count.min(ITEMS_AT_FIRST));
        for _item in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    pub(super) fn varint(&mut self) -> Result<i64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.array::<1>()?[0];
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
            if byte & 0x80 == 0 {
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        Err(Malformed)
    }

    pub(super) fn varbytes(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match usize::try_from(self.varint()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_negative) => Ok(None),
        }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(number in any::<i64>(), text in ".{0,20}", bytes: Vec<u8>) {
            let mut writer = Writer::default();
            writer.varint(number).text(&text).bytes(&bytes).varbytes(Some(&bytes)).varbytes(None);
            writer.count(2).i16(1).i16(2);
            let mut reader = Reader(&writer.0);
            prop_assert_eq!(reader.varint(), Ok(number));
            prop_assert_eq!(reader.text(), Ok(text));
            prop_assert_eq!(reader.bytes(), Ok(bytes.as_slice()));
            prop_assert_eq!(reader.varbytes(), Ok(Some(bytes.as_slice())));
            prop_assert_eq!(reader.varbytes(), Ok(None));
            prop_assert_eq!(reader.items(Reader::i16), Ok(vec![1, 2]));
            prop_assert!(reader.0.is_empty());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut reader = Reader(&bytes);
            let _ = reader.varint();
            let _ = reader.items(Reader::text);
            let _ = reader.varbytes();
        }
    }
}

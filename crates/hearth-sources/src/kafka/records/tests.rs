//! Tests of the format of batches. Compressed ones are made here, by what the libraries can write.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8], from: i64, aborted: &[Aborted]) -> Result<Portion, RecordError> {
    super::read(bytes, (from, limits::KAFKA_PORTION_BYTES_MAX), aborted)
}

fn record(offset: i64, key: Option<&str>, value: Option<&str>) -> Record {
    let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    Record {
        offset,
        timestamp: 1_000 + offset,
        time_kind: TimeKind::Create,
        key: bytes(key),
        value: bytes(value),
        headers: vec![("h".to_owned(), Some(b"v".to_vec())), ("n".to_owned(), None)],
    }
}

/// A batch with other attributes and another body, of which the checksum is right.
fn changed(batch: &[u8], attributes: i16, body: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    // Behind the front, the epoch, the format and the checksum.
    let checked = &batch[FRONT_BYTES + CHECKED_FROM..];
    let mut new = Writer::default();
    new.i16(attributes).raw(&checked[2..40]).raw(&body(&checked[40..]));
    let mut whole = Writer::default();
    whole.raw(&batch[..8]).count(new.0.len() + CHECKED_FROM).raw(&batch[12..17]);
    whole.raw(&crc32c(&new.0).to_be_bytes()).raw(&new.0);
    whole.0
}

fn of_producer(batch: &[u8], attributes: i16, producer: i64) -> Vec<u8> {
    let mut batch = changed(batch, attributes, <[u8]>::to_vec);
    let at = FRONT_BYTES + CHECKED_FROM + 22;
    batch[at..at + 8].copy_from_slice(&producer.to_be_bytes());
    changed(&batch, attributes, <[u8]>::to_vec)
}

fn at(mut batch: Vec<u8>, base_offset: i64) -> Vec<u8> {
    batch[..8].copy_from_slice(&base_offset.to_be_bytes());
    batch
}

#[test]
fn the_checksum_is_that_of_the_standard() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(b""), 0);
}

#[test]
fn records_are_read_as_they_were_written_and_from_an_offset_on() {
    let records =
        [record(0, Some("a"), Some("1")), record(1, None, None), record(2, None, Some(""))];
    let batch = written(&records);
    let all = read(&batch, 0, &[]).unwrap();
    assert_eq!((all.records.as_slice(), all.next), (records.as_slice(), Some(3)));
    assert_eq!(read(&batch, 2, &[]).unwrap().records, records[2..]);
    let cut = &batch[..batch.len() - 1];
    assert_eq!(read(&[], 0, &[]), Ok(Portion::default()));
    assert_eq!(read(cut, 0, &[]), Err(RecordError::Malformed), "it would be read for ever");
    assert_eq!(read(&batch, 3, &[]), Err(RecordError::Malformed), "the same");
    let and_cut = [batch.as_slice(), cut].concat();
    assert_eq!(read(&and_cut, 0, &[]).unwrap().next, Some(3));
    let two = [batch.clone(), at(batch, 3)].concat();
    let all = read(&two, 1, &[]).unwrap();
    let offsets: Vec<i64> = all.records.iter().map(|one| one.offset).collect();
    assert_eq!((offsets, all.next), (vec![1, 2, 3, 4, 5], Some(6)));
}

#[test]
fn each_kind_of_compression_is_undone() {
    let value = "kafka ".repeat(200);
    let records = [record(0, Some("a"), Some(&value)), record(1, None, Some(&value))];
    let batch = written(&records);
    let gzip = |body: &[u8]| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(body).unwrap();
        writer.finish().unwrap()
    };
    let snappy = |body: &[u8]| snap::raw::Encoder::new().compress_vec(body).unwrap();
    let xerial = |body: &[u8]| {
        let (first, second) = body.split_at(100);
        let mut framed = Writer::default();
        framed.raw(XERIAL).i32(1).i32(1).bytes(&snappy(first)).bytes(&snappy(second));
        framed.0
    };
    let lz4 = |body: &[u8]| {
        let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
        writer.write_all(body).unwrap();
        writer.finish().unwrap()
    };
    let zstd = |body: &[u8]| {
        ruzstd::encoding::compress_to_vec(body, ruzstd::encoding::CompressionLevel::Fastest)
    };
    let rows: [(i16, &dyn Fn(&[u8]) -> Vec<u8>); 5] =
        [(1, &gzip), (2, &snappy), (2, &xerial), (3, &lz4), (4, &zstd)];
    for (kind, compress) in rows {
        let compressed = changed(&batch, kind, compress);
        assert_eq!(read(&compressed, 0, &[]).unwrap().records, records, "{kind}");
        let broken = changed(&batch, kind, |_| b"nothing of that kind".to_vec());
        assert_eq!(read(&broken, 0, &[]), Err(RecordError::Compression), "{kind}");
    }
    assert_eq!(read(&changed(&batch, 7, <[u8]>::to_vec), 0, &[]), Err(RecordError::Compression));
}

#[test]
fn no_more_is_taken_at_a_time_than_there_is_room_for() {
    let large = "x".repeat(limits::KAFKA_PORTION_BYTES_MAX / 4);
    let records: Vec<Record> = (0..6).map(|offset| record(offset, None, Some(&large))).collect();
    let batch = written(&records);
    let first = read(&batch, 0, &[]).unwrap();
    assert_eq!((first.records.len(), first.next), (4, Some(4)));
    let second = read(&batch, 4, &[]).unwrap();
    assert_eq!((second.records.len(), second.next), (2, Some(6)));
    let both = [first.records, second.records].concat();
    assert!(both == records, "nothing is left out");
    let least = super::read(&batch, (2, 0), &[]).unwrap();
    assert_eq!((least.records.len(), least.next), (1, Some(3)), "one is always taken");
}

#[test]
fn headers_are_counted_and_more_than_an_event_can_have_are_not_kept() {
    let most = limits::KAFKA_RECORD_HEADERS_MAX;
    let with = |headers: usize| Record {
        headers: vec![(String::new(), None); headers],
        ..record(0, None, Some("x"))
    };
    let portion = read(&written(&[with(1_000)]), 0, &[]).unwrap();
    assert_eq!(portion.records[0].headers.len(), 1_000);
    assert!(portion.bytes >= 1_000 * HEADER_BYTES, "{}", portion.bytes);
    let portion = read(&written(&[with(most + 1)]), 0, &[]).unwrap();
    assert_eq!((portion.records[0].headers.len(), portion.next), (most, Some(1)));
}

#[test]
fn what_is_written_fits_into_what_a_broker_takes() {
    let of = |bytes: usize| record(0, Some("k"), Some(&"x".repeat(bytes)));
    let half = limits::KAFKA_PRODUCE_BYTES_MAX / 2;
    assert_eq!(fitting(&[of(half - 100), of(half - 100), of(half)]), 2);
    assert_eq!(fitting(&[of(4 * half), of(1)]), 1, "one is tried, whatever its size");
    let many: Vec<Record> = (0..10_000).map(|_| of(1_000)).collect();
    let batch = written(&many[..fitting(&many)]);
    assert!(batch.len() <= limits::KAFKA_PRODUCE_BYTES_MAX + 100, "{}", batch.len());
}

#[test]
fn what_is_damaged_or_old_is_refused() {
    let mut batch = written(&[record(0, None, Some("value"))]);
    let last = batch.len() - 1;
    batch[last] ^= 1;
    assert_eq!(read(&batch, 0, &[]), Err(RecordError::Damaged));
    batch[16] = 1;
    assert_eq!(read(&batch, 0, &[]), Err(RecordError::Format(1)));
}

#[test]
fn what_was_aborted_is_left_out_and_passed() {
    let plain = written(&[record(0, None, Some("x"))]);
    let abort = Record { key: Some(vec![0, 0, 0, 0]), ..record(0, None, None) };
    let commit = Record { key: Some(vec![0, 0, 0, 1]), ..record(0, None, None) };
    let log = [
        at(of_producer(&plain, TRANSACTIONAL, 7), 0),
        at(of_producer(&plain, TRANSACTIONAL, 8), 1),
        at(of_producer(&written(&[abort]), TRANSACTIONAL | CONTROL, 7), 2),
        at(of_producer(&plain, TRANSACTIONAL, 7), 3),
        at(of_producer(&written(&[commit]), TRANSACTIONAL | CONTROL, 7), 4),
        at(of_producer(&plain, 0, 7), 5),
    ]
    .concat();
    let aborted = [Aborted { producer: 7, first_offset: 0 }];
    let read = read(&log, 0, &aborted).unwrap();
    let offsets: Vec<i64> = read.records.iter().map(|one| one.offset).collect();
    assert_eq!((offsets, read.next), (vec![1, 3, 5], Some(6)));
}

#[test]
fn the_time_of_the_broker_counts_where_the_topic_says_so() {
    let records = [record(0, None, Some("x")), record(1, None, Some("y"))];
    let batch = changed(&written(&records), LOG_APPEND_TIME, <[u8]>::to_vec);
    let read = read(&batch, 0, &[]).unwrap();
    let times: Vec<_> = read.records.iter().map(|one| (one.timestamp, one.time_kind)).collect();
    assert_eq!(times, [(1_001, TimeKind::LogAppend), (1_001, TimeKind::LogAppend)]);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, body: Vec<u8>, kind in 0..6_i16) {
        let _ = read(&bytes, 0, &[]);
        let batch = changed(&written(&[record(0, None, Some("x"))]), kind, |_| body.clone());
        let _ = read(&batch, 0, &[]);
    }
}

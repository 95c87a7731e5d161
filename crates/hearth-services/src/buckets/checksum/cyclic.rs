//! Cyclic redundancy checks, several bytes at a time, and how those of parts are put together.
//!
//! All of them read the least significant bit of a byte first, begin with ones and are inverted at
//! the end.

/// A polynomial without its highest power, the lowest power in the highest bit, and how many bits it
/// has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Polynomial {
    value: u64,
    bits: usize,
}

pub(super) const CRC32: Polynomial = Polynomial { value: 0xEDB8_8320, bits: 32 };
pub(super) const CRC32C: Polynomial = Polynomial { value: 0x82F6_3B78, bits: 32 };
pub(super) const CRC64_NVME: Polynomial = Polynomial { value: 0x9A6C_9329_AC4B_C9B5, bits: 64 };

/// How many bytes are taken at once.
const LANES: usize = 8;

/// What each byte adds, with so many bytes behind it.
type Tables = [[u64; 256]; LANES];

static TABLES_OF_32C: Tables = tables(CRC32C);
static TABLES_OF_64_NVME: Tables = tables(CRC64_NVME);

const fn tables(polynomial: Polynomial) -> Tables {
    let mut tables = [[0; 256]; LANES];
    let mut byte = 0;
    let mut next = 0_u64;
    while byte < 256 {
        let mut state = next;
        let mut bit = 0;
        while bit < 8 {
            state = if state & 1 == 1 { (state >> 1) ^ polynomial.value } else { state >> 1 };
            bit += 1;
        }
        tables[0][byte] = state;
        byte += 1;
        next += 1;
    }
    let mut lane = 1;
    while lane < LANES {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[lane - 1][byte];
            let [low, ..] = before.to_le_bytes();
            tables[lane][byte] = (before >> 8) ^ tables[0][low as usize];
            byte += 1;
        }
        lane += 1;
    }
    tables
}

pub(super) fn crc32c(state: u32, bytes: &[u8]) -> u32 {
    let [a, b, c, d, ..] = run(&TABLES_OF_32C, u64::from(state), bytes).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

pub(super) fn crc64_nvme(state: u64, bytes: &[u8]) -> u64 {
    run(&TABLES_OF_64_NVME, state, bytes)
}

fn run(tables: &Tables, mut state: u64, bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<LANES>();
    for chunk in chunks {
        let mixed = (state ^ u64::from_le_bytes(*chunk)).to_le_bytes();
        let mut next = 0;
        for (table, byte) in tables.iter().rev().zip(mixed) {
            next ^= table[usize::from(byte)];
        }
        state = next;
    }
    for byte in rest {
        let [low, ..] = state.to_le_bytes();
        state = (state >> 8) ^ tables[0][usize::from(low ^ byte)];
    }
    state
}

/// A linear map of the states, by what becomes of each bit.
type Map = [u64; 64];

/// The check of two texts behind each other, from the check of each and the size of the second.
///
/// The first one is moved on as if as many bytes of zero came behind it. That is a linear map, which
/// is squared as often as the size has bits.
pub(super) fn combine(
    polynomial: Polynomial,
    (first, second): (u64, u64),
    second_bytes: u64,
) -> u64 {
    // One bit of zero.
    let mut map: Map = [0; 64];
    map[0] = polynomial.value;
    for (bit, column) in map.iter_mut().enumerate().take(polynomial.bits).skip(1) {
        *column = 1 << (bit - 1);
    }
    // Eight of them.
    for _doubling in 0..3 {
        map = squared(&map);
    }
    let mut moved = first;
    let mut left = second_bytes;
    while left > 0 {
        if left & 1 == 1 {
            moved = applied(&map, moved);
        }
        map = squared(&map);
        left >>= 1;
    }
    moved ^ second
}

fn applied(map: &Map, state: u64) -> u64 {
    let mut result = 0;
    let mut left = state;
    for column in map {
        if left & 1 == 1 {
            result ^= column;
        }
        left >>= 1;
    }
    result
}

fn squared(map: &Map) -> Map {
    map.map(|column| applied(map, column))
}

//! Giving back to the disk what removed entries have left free in the file.
//!
//! SQLite writes what is left into a new file, and that over the old one. It takes as long as there
//! is much left, and nobody can write meanwhile. So it is done at a start, before anybody asks for
//! anything; and later only when nobody has asked for a while and next to nothing is left, so that
//! whoever comes then hardly waits.
//!
//! # Promises
//!
//! 1. A crash at any moment leaves the file as it was before or as it is afterwards.
//! 2. What removed entries had in them is on the disk nowhere but in the file and its log.
//!
//! # Deliberately absent
//!
//! No giving back bit by bit (`incremental_vacuum`): SQLite would have to keep a map of all pages,
//! and write a page of it with nearly each transaction. A large file of which much is left is used
//! again rather than given back, until the next start.

use sqlx::SqliteConnection;

use crate::error::StoreError;

/// So many free pages are worth it: 4 MiB.
const FREE_PAGES_MIN: i64 = 1_024;
/// Three of four pages must be free.
const PAGES_PER_LEFT_PAGE: i64 = 4;

/// How much may be left, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// 16 MiB, which are a fraction of a second; and they are in memory while they are copied.
    Starting,
    /// 1 MiB: two writes and two syncs of that, of some ten milliseconds together.
    Working,
}

impl Left {
    fn pages_max(self) -> i64 {
        match self {
            Self::Starting => 4_096,
            Self::Working => 256,
        }
    }

    /// Whether it pays, and takes no longer than it may.
    fn allows(self, pages: i64, free: i64) -> bool {
        let left = pages - free;
        free >= FREE_PAGES_MIN && left * PAGES_PER_LEFT_PAGE <= pages && left <= self.pages_max()
    }
}

/// Gives room back if it pays.
pub(super) async fn give_back(
    connection: &mut SqliteConnection,
    left: Left,
) -> Result<(), StoreError> {
    let (pages, free) = (
        number(connection, "PRAGMA page_count").await?,
        number(connection, "PRAGMA freelist_count").await?,
    );
    if !left.allows(pages, free) {
        return Ok(());
    }
    sqlx::query("VACUUM")
        .execute(&mut *connection)
        .await
        .map_err(StoreError::during("give room back to the disk"))?;
    // The file becomes shorter when all of the log is in it.
    let _moved: (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)")
        .fetch_one(connection)
        .await
        .map_err(StoreError::during("write the log into the file"))?;
    tracing::info!(pages, free, "room that the queue does not need was given back to the disk");
    Ok(())
}

async fn number(connection: &mut SqliteConnection, sql: &'static str) -> Result<i64, StoreError> {
    let found = sqlx::query_scalar(sql).fetch_one(connection).await;
    found.map_err(StoreError::during("look how much of the file is free"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back_if_it_is_much_and_little_is_left() {
        #[rustfmt::skip]
        let rows = [
            ("nothing is free",          10_000, 0,      [false, false]),
            ("the file is small",        1_000,  990,    [false, false]),
            ("nearly all of it is free", 10_000, 9_990,  [true,  true]),
            ("half of it is free",       10_000, 5_000,  [false, false]),
            ("some is left",             10_000, 9_000,  [true,  false]),
            ("much is left",             40_000, 35_000, [false, false]),
        ];
        for (name, pages, free, expected) in rows {
            let found = [Left::Starting, Left::Working].map(|left| left.allows(pages, free));
            assert_eq!(found, expected, "{name}");
        }
    }
}

//! Copies what can be read of a damaged file into a new one.
//!
//! Entries are read in the order of their ids, without any index. Where a read fails it is repeated
//! with fewer rows until the bad one is known, and what cannot be read is stepped over: first by one
//! id, then by two, four, and so on, and from there back to the first that can be read again.
//!
//! # Promises
//!
//! 1. Every entry whose row and payload can be read is copied.
//! 2. The copy is complete and on the disk when this returns, or there is an error.
//!
//! # Deliberately absent
//!
//! No guessing: bytes that look like an entry and belong to no table are left.

use std::collections::HashSet;
use std::path::Path;

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::error::StoreError;
use crate::queue::sqlite::file;
use crate::queue::sqlite::rows::{self, Why};

/// Rows that are read at a time.
const ROWS: i64 = 256;
/// How far ids are moved on if it cannot be read which was the latest, so that none is given twice.
const IDS_LEFT_OUT: i64 = 1_000_000;

const ENTRIES: &str = "
    SELECT id, lane, due, leased, leases, first_leased_at, put_at, group_name, blocked, early,
        head, body_bytes, body
    FROM entry NOT INDEXED WHERE id > ?1 ORDER BY id LIMIT ?2";

/// A damaged file and the one that takes its place.
struct Copying {
    from: SqliteConnection,
    to: SqliteConnection,
    lanes: HashSet<i64>,
    kept: u64,
    lost: u64,
    /// The greatest id that was seen.
    last: i64,
}

/// Copies what can be read, and says how many entries were kept and lost.
pub(super) async fn copy(from: &Path, to: &Path) -> Result<(u64, u64), StoreError> {
    let mut fresh = file::connect(to).await?;
    file::migrate(&mut fresh).await?;
    let mut counts = (0, 0);
    match file::connect(from).await {
        Ok(damaged) => {
            let mut copying = Copying {
                from: damaged,
                to: fresh,
                lanes: HashSet::new(),
                kept: 0,
                lost: 0,
                last: 0,
            };
            copying.all().await?;
            counts = (copying.kept, copying.lost);
            fresh = copying.to;
            // It is damaged; that it cannot be closed well is no news.
            let _ = copying.from.close().await;
        }
        // Not even its first page can be read.
        Err(error) if Why::of(&error) == Why::Damaged => {}
        Err(error) => return Err(error),
    }
    fresh.close().await.map_err(StoreError::during("close the copy of the queue"))?;
    Ok(counts)
}

impl Copying {
    async fn all(&mut self) -> Result<(), StoreError> {
        self.lanes().await?;
        self.entries().await?;
        self.count().await?;
        self.sameness().await?;
        self.given().await?;
        // Those whose predecessors are lost would wait for them for ever.
        self.write(
            "UPDATE entry SET blocked = 0 WHERE blocked = 1 AND NOT EXISTS (
                 SELECT 1 FROM entry AS earlier
                 WHERE earlier.lane = entry.lane AND earlier.group_name = entry.group_name
                 AND earlier.id < entry.id)",
        )
        .await
    }

    /// A lane is in its table and, once more, in the index that keeps its name from being used twice.
    async fn lanes(&mut self) -> Result<(), StoreError> {
        let places = [
            "SELECT id, kind, name FROM lane NOT INDEXED",
            "SELECT id, kind, name FROM lane INDEXED BY sqlite_autoindex_lane_1",
        ];
        for place in places {
            let found: Vec<(i64, String, String)> =
                readable(sqlx::query_as(place).fetch_all(&mut self.from).await)?
                    .unwrap_or_default();
            for (id, kind, name) in found {
                sqlx::query("INSERT OR IGNORE INTO lane (id, kind, name) VALUES (?1, ?2, ?3)")
                    .bind(id)
                    .bind(kind)
                    .bind(name)
                    .execute(&mut self.to)
                    .await
                    .map_err(StoreError::during("copy a lane"))?;
                self.lanes.insert(id);
            }
        }
        Ok(())
    }

    async fn entries(&mut self) -> Result<(), StoreError> {
        let (mut after, mut items) = (0, ROWS);
        loop {
            let read = sqlx::query(ENTRIES).bind(after).bind(items).fetch_all(&mut self.from).await;
            match readable(read)? {
                Some(found) => {
                    let Some(last) = found.last().map(|row| row.try_get::<i64, _>(0)) else {
                        return Ok(());
                    };
                    after = last.map_err(StoreError::during("read an id"))?;
                    items = ROWS;
                    self.copy_rows(&found).await?;
                }
                None if items > 1 => items /= 2,
                None => match self.behind(after).await? {
                    Some(next) => (after, items) = (next, ROWS),
                    None => return Ok(()),
                },
            }
        }
    }

    /// Which ids cannot be read is known only in part, as not every id is that of an entry. An index
    /// knows how many entries there were.
    async fn count(&mut self) -> Result<(), StoreError> {
        let read = sqlx::query_scalar("SELECT count(*) FROM entry INDEXED BY entry_lane")
            .fetch_one(&mut self.from)
            .await;
        let all: Option<i64> = readable(read)?;
        if let Some(all) = all {
            self.lost = rows::count(all).saturating_sub(self.kept);
        }
        Ok(())
    }

    /// From where on to read when what comes next cannot be read; `None` if nothing can.
    async fn behind(&mut self, after: i64) -> Result<Option<i64>, StoreError> {
        match self.next_id(after).await? {
            // Its id can be read, so it is the only one that is lost.
            Some(Some(id)) => {
                self.lost += 1;
                self.last = self.last.max(id);
                return Ok(Some(id));
            }
            Some(None) => return Ok(None),
            None => {}
        }
        let (mut bad, mut step) = (after, 1_i64);
        let mut good = loop {
            let Some(next) = after.checked_add(step) else { return Ok(None) };
            if self.next_id(next).await?.is_some() {
                break next;
            }
            bad = next;
            let Some(doubled) = step.checked_mul(2) else { return Ok(None) };
            step = doubled;
        };
        while good - bad > 1 {
            let middle = bad + (good - bad) / 2;
            if self.next_id(middle).await?.is_some() {
                good = middle;
            } else {
                bad = middle;
            }
        }
        self.lost += u64::try_from(good - after).unwrap_or(0);
        Ok(Some(good))
    }

    /// The next id, `Some(None)` if there is none, `None` if it cannot be read.
    async fn next_id(&mut self, after: i64) -> Result<Option<Option<i64>>, StoreError> {
        let found = sqlx::query_scalar(
            "SELECT id FROM entry NOT INDEXED WHERE id > ?1 ORDER BY id LIMIT 1",
        )
        .bind(after)
        .fetch_optional(&mut self.from)
        .await;
        readable(found)
    }

    async fn copy_rows(&mut self, found: &[SqliteRow]) -> Result<(), StoreError> {
        self.write("BEGIN").await?;
        for row in found {
            if self.copy_row(row).await? {
                self.kept += 1;
            } else {
                self.lost += 1;
            }
        }
        self.write("COMMIT").await
    }

    /// Copies an entry, and says whether it could be.
    async fn copy_row(&mut self, row: &SqliteRow) -> Result<bool, StoreError> {
        let Ok((id, lane)) = Self::id_and_lane(row) else { return Ok(false) };
        self.last = self.last.max(id);
        let Ok(body) = row.try_get::<Option<Vec<u8>>, _>("body") else { return Ok(false) };
        if !self.lanes.contains(&lane) || (body.is_none() && !self.copy_payload(id).await?) {
            return Ok(false);
        }
        let Ok(query) = Self::insert(row) else { return Ok(false) };
        let done = query.bind(body).execute(&mut self.to).await;
        match done {
            Ok(done) => Ok(done.rows_affected() > 0),
            Err(error) if Why::of_engine(&error) == Why::Constraint => Ok(false),
            Err(error) => Err(StoreError::during("copy an entry")(error)),
        }
    }

    fn id_and_lane(row: &SqliteRow) -> Result<(i64, i64), sqlx::Error> {
        Ok((row.try_get("id")?, row.try_get("lane")?))
    }

    /// The statement that puts an entry, as far as its body.
    fn insert(row: &SqliteRow) -> Result<Query<'static>, sqlx::Error> {
        let mut query = sqlx::query::<sqlx::Sqlite>(
            "INSERT OR IGNORE INTO entry (id, lane, due, leased, leases, first_leased_at, put_at,
                 group_name, blocked, early, head, body_bytes, body)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        for column in ["id", "lane", "due", "leased", "leases", "first_leased_at", "put_at"] {
            query = query.bind(row.try_get::<Option<i64>, _>(column)?);
        }
        Ok(query
            .bind(row.try_get::<Option<String>, _>("group_name")?)
            .bind(row.try_get::<i64, _>("blocked")?)
            .bind(row.try_get::<i64, _>("early")?)
            .bind(row.try_get::<String, _>("head")?)
            .bind(row.try_get::<i64, _>("body_bytes")?))
    }

    /// Copies the payload of an entry that keeps it apart, and says whether it could be.
    async fn copy_payload(&mut self, id: i64) -> Result<bool, StoreError> {
        let read = sqlx::query_scalar("SELECT body FROM payload WHERE entry = ?1")
            .bind(id)
            .fetch_optional(&mut self.from)
            .await;
        let body: Option<Option<Vec<u8>>> = readable(read)?;
        let Some(body) = body.flatten() else { return Ok(false) };
        sqlx::query("INSERT OR IGNORE INTO payload (entry, body) VALUES (?1, ?2)")
            .bind(id)
            .bind(body)
            .execute(&mut self.to)
            .await
            .map_err(StoreError::during("copy a payload"))?;
        Ok(true)
    }

    /// What was put before is remembered as far as it can be read at once: at worst something is put
    /// a second time.
    async fn sameness(&mut self) -> Result<(), StoreError> {
        let mut after = 0_i64;
        loop {
            let read = sqlx::query_as(
                "SELECT rowid, lane, id, until, entry FROM sameness NOT INDEXED
                 WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
            )
            .bind(after)
            .bind(ROWS)
            .fetch_all(&mut self.from)
            .await;
            type Columns = (i64, i64, String, i64, i64);
            let found: Option<Vec<Columns>> = readable(read)?;
            let Some(found) = found.filter(|found| !found.is_empty()) else { return Ok(()) };
            for (row, lane, id, until, entry) in found {
                after = row;
                sqlx::query(
                    "INSERT OR IGNORE INTO sameness (lane, id, until, entry)
                     VALUES (?1, ?2, ?3, ?4)",
                )
                .bind(lane)
                .bind(id)
                .bind(until)
                .bind(entry)
                .execute(&mut self.to)
                .await
                .map_err(StoreError::during("copy what was put before"))?;
            }
        }
    }

    async fn given(&mut self) -> Result<(), StoreError> {
        let read = sqlx::query_scalar("SELECT id FROM given").fetch_optional(&mut self.from).await;
        let read: Option<Option<i64>> = readable(read)?;
        let last = match read.flatten() {
            Some(last) => last.max(self.last),
            None if self.last == 0 => 0,
            None => self.last.saturating_add(IDS_LEFT_OUT),
        };
        // A file of an older server does not say it.
        let read = sqlx::query_scalar("SELECT at FROM given").fetch_optional(&mut self.from).await;
        let at: Option<Option<i64>> = readable(read)?;
        sqlx::query("UPDATE given SET id = ?1, at = ?2")
            .bind(last)
            .bind(at.flatten().unwrap_or(0))
            .execute(&mut self.to)
            .await
            .map_err(StoreError::during("copy the latest id"))?;
        Ok(())
    }

    async fn write(&mut self, sql: &'static str) -> Result<(), StoreError> {
        let done = sqlx::query(sql).execute(&mut self.to).await;
        done.map(|_done| ()).map_err(StoreError::during("write a copy of the queue"))
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments<'q>>;

/// What was read, or `None` if it cannot be because of the damage.
fn readable<T>(read: Result<T, sqlx::Error>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) => match Why::of_engine(&error) {
            Why::Damaged | Why::Missing => Ok(None),
            Why::Constraint | Why::Other if is_nonsense(&error) => Ok(None),
            Why::Constraint | Why::Other => Err(StoreError::during("read a damaged queue")(error)),
        },
    }
}

/// Whether a column does not hold what it should.
fn is_nonsense(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
}

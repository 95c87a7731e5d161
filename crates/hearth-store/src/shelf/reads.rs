//! Looking at what is on the shelf, on connections that only read.

use bytes::Bytes;

use crate::error::StoreError;
use crate::shelf::rows::{self, Columns, columns, number, of_column};
use crate::shelf::{PartRow, Row, Shelf, UploadRow, Whole};

/// Where to read on, among the keys of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At the first key that is not less than this.
    At(Vec<u8>),
    /// At the first key that is greater than this.
    After(Vec<u8>),
}

impl Start {
    /// The key, and what it is compared by: a key that follows directly is that key with a byte of
    /// zero behind it.
    fn least(&self) -> Vec<u8> {
        match self {
            Self::At(key) => key.clone(),
            Self::After(key) => [key.as_slice(), &[0]].concat(),
        }
    }
}

/// A version and its piece, as they are read together. A tuple has no room for both kinds of columns
/// in one, so the piece comes last.
type WholeColumns =
    (String, Vec<u8>, i64, String, i64, i64, Option<String>, Option<i64>, String, Option<Vec<u8>>);

fn whole(columns: WholeColumns) -> Result<Whole, StoreError> {
    let (bucket, key, rank, version, is_object, has_files, upload, piece, document, bytes) =
        columns;
    let row = (bucket, key, rank, version, is_object, has_files, upload, piece, document);
    Ok(Whole { row: rows::row(row)?, piece: bytes.map(Bytes::from) })
}

impl Shelf {
    /// The newest version of a key.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn newest(&self, bucket: &str, key: &str) -> Result<Option<Whole>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            ", bytes FROM newest LEFT JOIN piece ON piece.id = newest.piece
             WHERE bucket = ?1 AND key = ?2"
        );
        let found: Option<WholeColumns> = sqlx::query_as(SQL)
            .bind(bucket)
            .bind(key.as_bytes())
            .fetch_optional(&self.readers)
            .await
            .map_err(StoreError::during("look for an object"))?;
        found.map(whole).transpose()
    }

    /// One of the versions of a key that are not the newest: that with this id, or the newest of
    /// them.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn older(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Option<Whole>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            ", bytes FROM older LEFT JOIN piece ON piece.id = older.piece
             WHERE bucket = ?1 AND key = ?2 AND (?3 IS NULL OR version = ?3)
             ORDER BY rank DESC LIMIT 1"
        );
        let found: Option<WholeColumns> = sqlx::query_as(SQL)
            .bind(bucket)
            .bind(key.as_bytes())
            .bind(version)
            .fetch_optional(&self.readers)
            .await
            .map_err(StoreError::during("look for a version"))?;
        found.map(whole).transpose()
    }

    /// The version of a key that was put together from an upload.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn of_upload(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
    ) -> Result<Option<Row>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM newest WHERE bucket = ?1 AND key = ?2 AND upload = ?3 UNION ALL SELECT ",
            columns!(),
            " FROM older WHERE bucket = ?1 AND key = ?2 AND upload = ?3 LIMIT 1"
        );
        let found: Option<Columns> = sqlx::query_as(SQL)
            .bind(bucket)
            .bind(key.as_bytes())
            .bind(upload)
            .fetch_optional(&self.readers)
            .await
            .map_err(StoreError::during("look for what was made of an upload"))?;
        found.map(rows::row).transpose()
    }

    /// The newest versions of the keys of a bucket from a place on, as far as they are objects.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn objects(
        &self,
        bucket: &str,
        start: &Start,
        items: usize,
    ) -> Result<Vec<Row>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM newest WHERE bucket = ?1 AND key >= ?2 AND is_object = 1
             ORDER BY key LIMIT ?3"
        );
        self.some(SQL, (bucket, start), items).await
    }

    /// All versions of the keys of a bucket from a place on, those of one key beginning with the
    /// newest.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn versions(
        &self,
        bucket: &str,
        start: &Start,
        items: usize,
    ) -> Result<Vec<Row>, StoreError> {
        // The two are merged: either side is read in its order, and no further than is needed.
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM newest WHERE bucket = ?1 AND key >= ?2 UNION ALL SELECT ",
            columns!(),
            " FROM older WHERE bucket = ?1 AND key >= ?2 ORDER BY key, rank DESC LIMIT ?3"
        );
        self.some(SQL, (bucket, start), items).await
    }

    async fn some(
        &self,
        sql: &'static str,
        (bucket, start): (&str, &Start),
        items: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let found: Vec<Columns> = sqlx::query_as(sql)
            .bind(bucket)
            .bind(start.least())
            .bind(rows::items(items))
            .fetch_all(&self.readers)
            .await
            .map_err(StoreError::during("list versions"))?;
        found.into_iter().map(rows::row).collect()
    }

    /// The versions of a key that are older than one of this rank, the newest first.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn versions_below(
        &self,
        (bucket, key): (&str, &str),
        rank: u64,
        items: usize,
    ) -> Result<Vec<Row>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM older WHERE bucket = ?1 AND key = ?2 AND rank < ?3
             ORDER BY rank DESC LIMIT ?4"
        );
        let found: Vec<Columns> = sqlx::query_as(SQL)
            .bind(bucket)
            .bind(key.as_bytes())
            .bind(number(rank))
            .bind(rows::items(items))
            .fetch_all(&self.readers)
            .await
            .map_err(StoreError::during("list the versions of a key"))?;
        found.into_iter().map(rows::row).collect()
    }

    /// A piece.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn piece(&self, id: u64) -> Result<Option<Bytes>, StoreError> {
        let found: Option<Vec<u8>> = sqlx::query_scalar("SELECT bytes FROM piece WHERE id = ?1")
            .bind(number(id))
            .fetch_optional(&self.readers)
            .await
            .map_err(StoreError::during("read a piece"))?;
        Ok(found.map(Bytes::from))
    }

    /// Calls `visit` with every version that has files, and its piece.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn visit_files(&self, mut visit: impl FnMut(Whole)) -> Result<(), StoreError> {
        const NEWEST: &str = concat!(
            "SELECT ",
            columns!(),
            ", bytes FROM newest LEFT JOIN piece ON piece.id = newest.piece
             WHERE (bucket, key) > (?1, ?2) AND ?3 = ?3 AND has_files = 1
             ORDER BY bucket, key LIMIT 256"
        );
        // Of one key, the newest come first.
        const OLDER: &str = concat!(
            "SELECT ",
            columns!(),
            ", bytes FROM older LEFT JOIN piece ON piece.id = older.piece
             WHERE (bucket, key) >= (?1, ?2) AND ((bucket, key) > (?1, ?2) OR rank < ?3)
             AND has_files = 1 ORDER BY bucket, key, rank DESC LIMIT 256"
        );
        for sql in [NEWEST, OLDER] {
            let mut last = (String::new(), Vec::new(), i64::MAX);
            loop {
                let found: Vec<WholeColumns> = sqlx::query_as(sql)
                    .bind(&last.0)
                    .bind(&last.1)
                    .bind(last.2)
                    .fetch_all(&self.readers)
                    .await
                    .map_err(StoreError::during("look for files of objects"))?;
                let Some((bucket, key, rank, ..)) = found.last() else { break };
                last = (bucket.clone(), key.clone(), *rank);
                for columns in found {
                    visit(whole(columns)?);
                }
            }
        }
        Ok(())
    }

    /// The greatest id of a piece or a note that there is.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn greatest_id(&self) -> Result<u64, StoreError> {
        let found: i64 = sqlx::query_scalar(
            "SELECT max(coalesce((SELECT max(id) FROM piece), 0),
                        coalesce((SELECT max(id) FROM note), 0))",
        )
        .fetch_one(&self.readers)
        .await
        .map_err(StoreError::during("look for the greatest id"))?;
        Ok(of_column(found))
    }

    /// An upload.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn upload(
        &self,
        (bucket, key): (&str, &str),
        id: &str,
    ) -> Result<Option<UploadRow>, StoreError> {
        let found: Option<UploadColumns> = sqlx::query_as(
            "SELECT bucket, key, id, document FROM upload
             WHERE bucket = ?1 AND key = ?2 AND id = ?3",
        )
        .bind(bucket)
        .bind(key.as_bytes())
        .bind(id)
        .fetch_optional(&self.readers)
        .await
        .map_err(StoreError::during("look for an upload"))?;
        found.map(upload).transpose()
    }

    /// The uploads of a bucket in the order of their keys and ids. Of the key that it starts at,
    /// those with greater ids than this one.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn uploads(
        &self,
        bucket: &str,
        (start, id): (&Start, &str),
        items: usize,
    ) -> Result<Vec<UploadRow>, StoreError> {
        let found: Vec<UploadColumns> = sqlx::query_as(
            "SELECT bucket, key, id, document FROM upload
             WHERE bucket = ?1 AND (key, id) > (?2, ?3) ORDER BY key, id LIMIT ?4",
        )
        .bind(bucket)
        .bind(start.least())
        .bind(id)
        .bind(rows::items(items))
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::during("list uploads"))?;
        found.into_iter().map(upload).collect()
    }

    /// The parts of an upload in the order of their numbers, from behind this one on.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn parts(
        &self,
        upload: &str,
        after: u16,
        items: usize,
    ) -> Result<Vec<PartRow>, StoreError> {
        let found: Vec<(String, i64, String)> = sqlx::query_as(
            "SELECT upload, number, document FROM part
             WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
        )
        .bind(upload)
        .bind(i64::from(after))
        .bind(rows::items(items))
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::during("list parts"))?;
        Ok(found.into_iter().map(part).collect())
    }

    /// A part.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn part(&self, upload: &str, number: u16) -> Result<Option<PartRow>, StoreError> {
        let found: Option<(String, i64, String)> = sqlx::query_as(
            "SELECT upload, number, document FROM part WHERE upload = ?1 AND number = ?2",
        )
        .bind(upload)
        .bind(i64::from(number))
        .fetch_optional(&self.readers)
        .await
        .map_err(StoreError::during("look for a part"))?;
        Ok(found.map(part))
    }

    /// Calls `visit` with every part of every upload.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn visit_parts(&self, mut visit: impl FnMut(PartRow)) -> Result<(), StoreError> {
        let mut last = (String::new(), 0_i64);
        loop {
            let found: Vec<(String, i64, String)> = sqlx::query_as(
                "SELECT upload, number, document FROM part WHERE (upload, number) > (?1, ?2)
                 ORDER BY upload, number LIMIT 256",
            )
            .bind(&last.0)
            .bind(last.1)
            .fetch_all(&self.readers)
            .await
            .map_err(StoreError::during("look for parts"))?;
            let Some((upload, number, _)) = found.last() else { return Ok(()) };
            last = (upload.clone(), *number);
            found.into_iter().map(part).for_each(&mut visit);
        }
    }

    /// The first notes.
    ///
    /// # Errors
    ///
    /// If the engine failed.
    pub async fn notes(&self, items: usize) -> Result<Vec<(u64, String)>, StoreError> {
        let found: Vec<(i64, String)> =
            sqlx::query_as("SELECT id, document FROM note ORDER BY id LIMIT ?1")
                .bind(rows::items(items))
                .fetch_all(&self.readers)
                .await
                .map_err(StoreError::during("read notes"))?;
        Ok(found.into_iter().map(|(id, document)| (of_column(id), document)).collect())
    }
}

type UploadColumns = (String, Vec<u8>, String, String);

fn upload((bucket, key, id, document): UploadColumns) -> Result<UploadRow, StoreError> {
    Ok(UploadRow { bucket, key: rows::key(key)?, id, document })
}

fn part((upload, number, document): (String, i64, String)) -> PartRow {
    PartRow { upload, number: u16::try_from(number).unwrap_or(u16::MAX), document }
}

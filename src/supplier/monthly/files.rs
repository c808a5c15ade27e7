//! The files of a month, row by row, as they are sent.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::field::{Code, Field};
use super::figures::{Counts, DayCounts};
use super::template::{Band, Template};
use crate::aggregate::document::BUCKETS;

/// Header of the mapping file, the only one that is published. Source: the collection's page.
pub const MAPPING_HEADER: [&str; 3] = ["CBT_System_Supplier_Name", "Account_Number", "ODS_Code"];

/// SHA-256 of a file in hex, without having it in memory: that of 7,000 practices has gigabytes.
pub fn sha256_of(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash, mut piece) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            length => hash.update(piece.get(..length).unwrap_or_default()),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The aggregated file, as it is written.
#[derive(Debug)]
pub struct Aggregated<'a, W: Write> {
    template: &'a Template,
    supplier: &'a str,
    rows: csv::Writer<W>,
    written: u64,
}

impl<'a> Aggregated<'a, BufWriter<File>> {
    /// Begins a file.
    pub fn create(path: &Path, template: &'a Template, supplier: &'a str) -> std::io::Result<Self> {
        Aggregated::to(BufWriter::new(File::create_new(path)?), template, supplier)
    }
}

impl<'a, W: Write> Aggregated<'a, W> {
    /// Begins with the header, byte for byte as the sample has it.
    pub fn to(mut out: W, template: &'a Template, supplier: &'a str) -> std::io::Result<Self> {
        out.write_all(&template.header)?;
        out.write_all(template.line_end)?;
        Ok(Aggregated { template, supplier, rows: rows_to(out, template.line_end), written: 0 })
    }

    /// Writes an account's day.
    pub fn day(&mut self, account: &str, date: Date, day: &DayCounts) -> std::io::Result<()> {
        let template = self.template;
        for band in &template.bands {
            let counts = of_band(day, band);
            if template.is_long() {
                self.long(account, date, band, &counts)?;
            } else {
                self.wide(account, date, band, &counts)?;
            }
        }
        Ok(())
    }

    fn long(&mut self, account: &str, date: Date, band: &Band, counts: &Counts) -> std::io::Result<()> {
        let template = self.template;
        for code in Code::ALL {
            let whole = [(template.no_bucket.as_str(), (0, BUCKETS))];
            let of_buckets = template.buckets.iter().map(|bucket| (bucket.label.as_str(), bucket.counts));
            let parts: Vec<_> = if code.has_buckets() { of_buckets.collect() } else { whole.to_vec() };
            for (label, range) in parts {
                let value = counts.of(code, range);
                if value == 0 && !template.zero_rows {
                    continue;
                }
                let row = Row { supplier: self.supplier, account, date, band, code, label, value };
                let fields = template.columns.iter().map(|field| row.field(*field, template));
                self.rows.write_record(fields).map_err(into_io)?;
                self.written += 1;
            }
        }
        Ok(())
    }

    fn wide(&mut self, account: &str, date: Date, band: &Band, counts: &Counts) -> std::io::Result<()> {
        let template = self.template;
        if !template.zero_rows && Code::ALL.iter().all(|code| counts.all_of(*code) == 0) {
            return Ok(());
        }
        let row = Row { supplier: self.supplier, account, date, band, code: Code::Cbt001, label: "", value: 0 };
        let fields = template.columns.iter().map(|field| match *field {
            Field::Count(code, None) => counts.all_of(code).to_string(),
            Field::Count(code, Some(at)) => {
                template.buckets.get(at).map_or_else(String::new, |bucket| counts.of(code, bucket.counts).to_string())
            }
            field => row.field(field, template),
        });
        self.rows.write_record(fields).map_err(into_io)?;
        self.written += 1;
        Ok(())
    }

    /// Ends the file. Gives how many rows it has.
    pub fn finish(self) -> std::io::Result<(W, u64)> {
        let out = self.rows.into_inner().map_err(|error| error.into_error())?;
        Ok((out, self.written))
    }
}

struct Row<'a> {
    supplier: &'a str,
    account: &'a str,
    date: Date,
    band: &'a Band,
    code: Code,
    label: &'a str,
    value: u64,
}

impl Row<'_> {
    fn field(&self, field: Field, template: &Template) -> String {
        let unless = |meant: bool| if meant { self.label } else { &template.no_bucket }.to_owned();
        match field {
            Field::Supplier => self.supplier.to_owned(),
            Field::Account => self.account.to_owned(),
            Field::Date => template.date(self.date),
            Field::Band => self.band.label.clone(),
            Field::Code => self.code.word().to_owned(),
            Field::Bucket => self.label.to_owned(),
            Field::Wait => unless(self.code.waits()),
            Field::Talk => unless(self.code.talks()),
            Field::Value => self.value.to_string(),
            Field::Count(..) | Field::Empty => String::new(),
        }
    }
}

/// A day's counts of a band.
pub fn of_band(day: &DayCounts, band: &Band) -> Counts {
    let (from, to) = band.half_hours;
    let mut sum = Counts::default();
    day.iter().skip(from).take(to.saturating_sub(from)).for_each(|counts| sum.add(counts));
    sum
}

/// The mapping file: a row for each practice of each account.
pub fn write_mapping<'a>(
    out: impl Write,
    supplier: &str,
    line_end: &'static [u8],
    rows: impl Iterator<Item = (&'a str, &'a str)>,
) -> std::io::Result<u64> {
    let mut file = rows_to(out, line_end);
    file.write_record(MAPPING_HEADER).map_err(into_io)?;
    let mut written = 0;
    for (account, ods) in rows {
        file.write_record([supplier, account, ods]).map_err(into_io)?;
        written += 1;
    }
    file.flush()?;
    Ok(written)
}

pub(super) fn rows_to<W: Write>(out: W, line_end: &[u8]) -> csv::Writer<W> {
    let terminator = if line_end == b"\r\n" { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
    csv::WriterBuilder::new().terminator(terminator).flexible(false).from_writer(out)
}

pub(super) fn into_io(error: csv::Error) -> std::io::Error {
    std::io::Error::other(error)
}

//! What a replay makes of torn, cut, damaged and missing segments.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use tempfile::TempDir;

use super::record::{Entry, SEGMENT_HEADER, SegmentHeader, Stamp, entry_header};
use super::{LogError, OnDamage, Position, Replay, list_segments, replay, segment_path};
use crate::model::Signal;
use crate::otlp::sink::Accepted;

const SEED: u64 = 0x5eed;
const STAMP: Stamp = Stamp(1_790_000_000);

/// A log written by hand: segments of groups of bodies.
struct Log {
    folder: TempDir,
    /// Where each segment ends.
    ends: Vec<Position>,
}

impl Log {
    fn new(segments: &[&[&[&str]]]) -> Self {
        let mut log = Self { folder: tempfile::tempdir().unwrap(), ends: Vec::new() };
        for groups in segments {
            let number = log.ends.len() as u64 + 1;
            let previous = log.ends.last().copied().unwrap_or_default();
            let mut bytes = SegmentHeader { number, seed: SEED, previous }.encode().to_vec();
            for group in *groups {
                let begin = bytes.len() as u64;
                for body in *group {
                    let request =
                        Accepted { signal: Signal::Logs, body: Bytes::copy_from_slice(body.as_bytes()), items: 1 };
                    bytes.extend_from_slice(&entry_header(&request, begin, STAMP, SEED));
                    bytes.extend_from_slice(&request.body);
                }
            }
            fs::write(segment_path(log.folder.path(), number), &bytes).unwrap();
            log.ends.push(Position { segment: number, offset: bytes.len() as u64 });
        }
        log
    }

    fn path(&self, number: u64) -> PathBuf {
        segment_path(self.folder.path(), number)
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path(number)).unwrap();
        change(&mut bytes);
        fs::write(self.path(number), bytes).unwrap();
    }

    fn read(&self, from: Position, on_damage: OnDamage) -> Result<(Vec<String>, Replay), LogError> {
        let mut bodies = Vec::new();
        let found = replay(self.folder.path(), from, on_damage, |entry: Entry| {
            bodies.push(String::from_utf8(entry.request.body.to_vec()).unwrap());
            Ok::<_, LogError>(())
        })?;
        Ok((bodies, found))
    }

    fn stopped(&self, from: Position) -> String {
        self.read(from, OnDamage::Stop).unwrap_err().to_string()
    }
}

/// Where the body of an entry stands in a segment.
fn place_of(bytes: &[u8], body: &str) -> usize {
    bytes.windows(body.len()).position(|window| window == body.as_bytes()).unwrap()
}

#[test]
fn what_was_written_is_read_in_order_and_from_any_place() {
    let log = Log::new(&[&[&["a", "b"], &["c"]], &[&["d"]], &[&["e"]]]);
    let (bodies, found) = log.read(Position::default(), OnDamage::Stop).unwrap();
    assert_eq!(bodies, ["a", "b", "c", "d", "e"]);
    assert_eq!((found.next_segment, found.end), (4, log.ends[2]));
    assert_eq!(log.read(log.ends[0], OnDamage::Stop).unwrap().0, ["d", "e"]);
    assert!(log.read(log.ends[2], OnDamage::Stop).unwrap().0.is_empty());
}

#[test]
fn a_torn_last_group_is_cut_off_whichever_of_its_pages_reached_the_disk() {
    for torn in ["third", "fourth", "fifth"] {
        let log = Log::new(&[&[&["first", "second"], &["third", "fourth", "fifth"]]]);
        log.change(1, |bytes| {
            let at = place_of(bytes, torn);
            bytes[at..at + torn.len()].fill(0);
        });
        let (bodies, found) = log.read(Position::default(), OnDamage::Stop).unwrap();
        assert_eq!(bodies[..2], ["first", "second"]);
        assert!(found.torn_bytes > 0 && !bodies.contains(&torn.to_owned()));
        // The next segment must not say that what was cut off had been synced.
        assert_eq!(found.end.offset, fs::metadata(log.path(1)).unwrap().len());
        // Once cut, it is as if it had never been.
        let (again, found) = log.read(Position::default(), OnDamage::Stop).unwrap();
        assert_eq!((again, found.torn_bytes), (bodies, 0));
    }
}

#[test]
fn damage_before_the_last_group_stops_and_names_the_place() {
    let log = Log::new(&[&[&["first"], &["second"], &["third"]]]);
    log.change(1, |bytes| {
        let at = place_of(bytes, "second");
        bytes[at] ^= 1;
    });
    let said = log.stopped(Position::default());
    assert!(said.contains("00001.segment` is damaged at byte 93"), "{said}");
    let (bodies, found) = log.read(Position::default(), OnDamage::Skip).unwrap();
    assert_eq!(bodies, ["first", "third"]);
    assert_eq!((found.losses[0].at, found.losses[0].bytes), (93, Some(46)));
    assert!(log.path(1).with_extension("segment.damaged").exists());
    assert_eq!(list_segments(log.folder.path()).unwrap(), [1]);
}

#[test]
fn a_segment_that_was_cut_is_known_by_the_next_one() {
    let log = Log::new(&[&[&["first"], &["second"]], &[&["third"]]]);
    log.change(1, |bytes| bytes.truncate(bytes.len() - 46));
    assert!(log.stopped(Position::default()).contains("damaged at byte 93"));
    let (bodies, found) = log.read(Position::default(), OnDamage::Skip).unwrap();
    assert_eq!((bodies, found.losses[0].bytes), (vec!["first".to_owned(), "third".to_owned()], Some(46)));
    // Where the store has read it already, nothing is lost.
    assert_eq!(log.read(log.ends[0], OnDamage::Stop).unwrap().0, ["third"]);
}

#[test]
fn a_segment_that_is_missing_is_known_by_the_next_one() {
    let log = Log::new(&[&[&["first"]], &[&["second"]], &[&["third"]]]);
    fs::remove_file(log.path(2)).unwrap();
    assert!(log.stopped(log.ends[0]).contains("00002.segment` is missing"));
    let (bodies, found) = log.read(log.ends[0], OnDamage::Skip).unwrap();
    assert_eq!((bodies, found.losses[0].bytes), (vec!["third".to_owned()], None));
    // Loaded before it went: nothing is missed.
    assert_eq!(log.read(log.ends[1], OnDamage::Stop).unwrap().0, ["third"]);
    // A new store over an old log begins with what is there.
    fs::remove_file(log.path(1)).unwrap();
    assert_eq!(log.read(Position::default(), OnDamage::Stop).unwrap().0, ["third"]);
}

#[test]
fn a_damaged_segment_header_is_no_empty_segment() {
    let log = Log::new(&[&[&["first"]], &[&["second"]]]);
    log.change(2, |bytes| bytes[20] ^= 1);
    assert!(log.stopped(Position::default()).contains("00002.segment` is damaged at byte 0"));
    assert_eq!(log.read(Position::default(), OnDamage::Skip).unwrap().0, ["first"]);
}

#[test]
fn a_segment_that_was_being_made_is_empty() {
    for length in [0, 20, SEGMENT_HEADER] {
        let log = Log::new(&[&[&["first"]], &[]]);
        log.change(2, |bytes| {
            bytes.fill(0);
            bytes.truncate(length);
        });
        let (bodies, found) = log.read(Position::default(), OnDamage::Stop).unwrap();
        assert_eq!((bodies, found.next_segment), (vec!["first".to_owned()], 3));
    }
}

#[test]
fn what_was_skipped_once_is_not_met_again() {
    let log = Log::new(&[&[&["first"], &["second"]], &[&["third"], &["fourth"]]]);
    log.change(1, |bytes| bytes.truncate(60));
    log.change(2, |bytes| bytes[60] ^= 1);
    let (bodies, found) = log.read(Position::default(), OnDamage::Skip).unwrap();
    assert_eq!((bodies, found.losses.len()), (vec!["fourth".to_owned()], 2));
    let (bodies, found) = log.read(found.end, OnDamage::Stop).unwrap();
    assert!(bodies.is_empty() && !found.gone);
}

#[test]
fn a_log_that_is_gone_is_told_from_one_that_was_never_there() {
    let log = Log::new(&[]);
    assert!(!log.read(Position::default(), OnDamage::Stop).unwrap().1.gone);
    let read = Position { segment: 3, offset: 100 };
    let found = log.read(read, OnDamage::Stop).unwrap().1;
    assert!(found.gone);
    assert_eq!(found.next_segment, 4);
}

#[test]
fn a_body_full_of_entries_is_no_entry_and_costs_no_time() {
    // Whoever guessed the key could write this; without it the key differs.
    let inner = Accepted { signal: Signal::Logs, body: Bytes::from_static(b"forged"), items: 1 };
    let mut forged = entry_header(&inner, 1 << 20, STAMP, SEED + 1).to_vec();
    forged.extend_from_slice(&inner.body);
    let hostile = "PLE2".repeat(1 << 20);
    let log = Log::new(&[&[&["first"], &["second"]]]);
    log.change(1, |bytes| {
        let at = place_of(bytes, "second");
        bytes[at] ^= 1;
        bytes.extend_from_slice(&forged);
        bytes.extend_from_slice(hostile.as_bytes());
    });
    let (bodies, found) = log.read(Position::default(), OnDamage::Stop).unwrap();
    assert_eq!(bodies, ["first"]);
    assert!(found.torn_bytes > hostile.len() as u64);
}

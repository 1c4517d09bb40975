//! The memory that all answers may hold together, from their making until their clients have taken them.

use crate::permits::{Permit, Pool, Requester};
use bytes::Bytes;
use pintle_object::Status;
use std::sync::Arc;
use std::time::Duration;

/// The kilobytes of all answers under way together: enough for a hundred lists of any length, since their objects are
/// those of the cache and take nothing.
const ANSWERS_KB_MAX: usize = 64 << 10;
/// Of that, one user's part.
const ANSWERS_USER_PART: usize = 4;
/// Answers and parts of them that are not counted: as many as may be under way together take little.
const FREE_BYTES: usize = 4 << 10;
/// The time that an answer waits for room before its client is told to come back.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// The `Retry-After` of answers that found no room in time.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Shares of the memory that answers under way may take together. Clones share the same.
#[derive(Clone)]
pub struct Answers {
    kilobytes: Arc<Pool>,
    wait_max: Duration,
}

impl Default for Answers {
    fn default() -> Answers {
        Answers { kilobytes: Arc::new(Pool::new(ANSWERS_KB_MAX, ANSWERS_USER_PART)), wait_max: WAIT_MAX }
    }
}

/// Bytes that hold their permits until the last part of them is sent or dropped.
struct CountedBytes {
    bytes: Bytes,
    _permits: Vec<Permit>,
}

impl AsRef<[u8]> for CountedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Answers {
    /// A permit at once, if there is room.
    pub fn try_permit(&self, who: Requester<'_>, bytes: usize) -> Option<Permit> {
        self.kilobytes.try_permit(who, bytes.div_ceil(1024))
    }

    /// Waits for a permit; 429 when there is none in time.
    pub async fn permit(&self, who: Requester<'_>, bytes: usize) -> Result<Permit, Status> {
        let wait = self.kilobytes.permit(who, bytes.div_ceil(1024));
        tokio::time::timeout(self.wait_max, wait).await.map_err(|_| {
            Status::too_many_requests("Too many requests, please try again later.", RETRY_AFTER_SECONDS)
        })
    }

    /// Waits until a user has any room at all, without holding a permit meanwhile.
    pub async fn room(&self, who: Requester<'_>) -> Result<(), Status> {
        match self.try_permit(who, 1) {
            Some(_) => Ok(()),
            None => self.permit(who, 1).await.map(drop),
        }
    }

    /// The same bytes with their permit if there is room at once. What others have in memory too needs none.
    pub fn try_hold(&self, who: Requester<'_>, bytes: Bytes) -> Result<Bytes, Bytes> {
        if bytes.len() <= FREE_BYTES || !bytes.is_unique() {
            return Ok(bytes);
        }
        match self.try_permit(who, bytes.len()) {
            Some(permit) => Ok(Bytes::from_owner(CountedBytes { bytes, _permits: vec![permit] })),
            None => Err(bytes),
        }
    }

    /// Adds the missing permits for so many bytes to those of an answer; whether there was room at once.
    pub fn try_cover(&self, who: Requester<'_>, permits: &mut Vec<Permit>, bytes: usize) -> bool {
        let missing = self.missing(who, permits, bytes);
        let more = if missing == 0 { None } else { self.kilobytes.try_permit(who, missing) };
        let is_covered = missing == 0 || more.is_some();
        permits.extend(more);
        is_covered
    }

    /// Waits for the missing permits for so many bytes, and adds them to those of an answer; 429 when there are none in
    /// time.
    pub async fn cover(
        &self,
        who: Requester<'_>,
        permits: &mut Vec<Permit>,
        bytes: usize,
    ) -> Result<(), Status> {
        match self.missing(who, permits, bytes) {
            0 => {}
            missing => permits.push(self.permit(who, missing * 1024).await?),
        }
        Ok(())
    }

    /// The kilobytes that permits lack for an answer.
    fn missing(&self, who: Requester<'_>, permits: &[Permit], bytes: usize) -> usize {
        if bytes <= FREE_BYTES {
            return 0;
        }
        let held = permits.iter().map(Permit::units).sum();
        self.kilobytes.missing(who, held, bytes.div_ceil(1024))
    }
}

/// Bytes that keep their permits, and no more than they need, until the last part of them is sent or dropped.
pub fn hold(bytes: Bytes, mut permits: Vec<Permit>) -> Bytes {
    if bytes.len() <= FREE_BYTES || permits.is_empty() {
        return bytes;
    }
    let mut units = bytes.len().div_ceil(1024);
    for permit in &mut permits {
        permit.shrink(units);
        units -= permit.units();
    }
    Bytes::from_owner(CountedBytes { bytes, _permits: permits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_no_room_in_time_is_told_to_come_back() {
        let answers = Answers { wait_max: Duration::from_millis(5), ..Answers::default() };
        let half = ANSWERS_KB_MAX * 512;
        let first = answers.try_permit(Requester::Master, half).unwrap();
        let second = answers.permit(Requester::Master, half).await.unwrap();
        assert!(answers.try_permit(Requester::Master, 1).is_none());
        let status = answers.permit(Requester::Master, 1).await.unwrap_err();
        assert_eq!((status.code, status.details.unwrap().retry_after_seconds), (429, RETRY_AFTER_SECONDS));
        drop(first);
        answers.permit(Requester::Master, 1).await.unwrap();
        drop(second);
        // More than there is: all of it, alone.
        let all = answers.try_permit(Requester::Master, usize::MAX).unwrap();
        assert!(answers.try_permit(Requester::Master, 1).is_none());
        drop(all);
    }

    #[tokio::test]
    async fn bytes_hold_their_shares_until_the_last_part_is_gone() {
        let answers = Answers { wait_max: Duration::from_millis(5), ..Answers::default() };
        let dev = Requester::Other("dev");
        let size = ANSWERS_KB_MAX / ANSWERS_USER_PART * 1024;
        // A reservation covers the answer up to its size; the rest of it is returned.
        let mut permits = vec![answers.permit(dev, size / 2).await.unwrap()];
        assert!(answers.try_cover(dev, &mut permits, size) && permits.len() == 2);
        let mut bytes = hold(vec![1; size - 1024].into(), permits);
        answers.room(dev).await.unwrap();
        let (mut none, mut little) = (Vec::new(), vec![answers.try_permit(dev, 1).unwrap()]);
        assert!(!answers.try_cover(dev, &mut none, FREE_BYTES + 1));
        assert!(answers.try_cover(dev, &mut none, FREE_BYTES) && none.is_empty());
        assert_eq!(answers.cover(dev, &mut little, FREE_BYTES + 1).await.unwrap_err().code, 429);
        let part = bytes.split_to(10);
        drop(bytes);
        assert!(answers.room(dev).await.is_err());
        drop(part);
        answers.room(dev).await.unwrap();
        answers.cover(dev, &mut little, FREE_BYTES + 1).await.unwrap();
    }
}

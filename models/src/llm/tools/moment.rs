use super::spoken;

/// A moment on the caller's clock. Moments are ordered by when they are, whatever the clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Milliseconds since 1970-01-01 00:00 UTC.
    utc_ms: i64,
    /// How many milliseconds the local time zone is ahead of UTC.
    offset_ms: i64,
}

const DAY_S: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Moment {
    /// `utc_ms` milliseconds after 1970 began in UTC, where the local time zone is `offset_ms` ahead of that.
    pub const fn new(utc_ms: i64, offset_ms: i64) -> Self {
        Self { utc_ms, offset_ms }
    }

    /// `local_ms` milliseconds after 1970 began, in local time, of which nothing else is known.
    pub const fn from_local_ms(local_ms: i64) -> Self {
        Self::new(local_ms, 0)
    }

    /// Milliseconds since 1970 began in local time: what the clock on the wall shows.
    pub fn local_ms(self) -> i64 {
        self.utc_ms + self.offset_ms
    }

    /// This moment, `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self::new(self.utc_ms + ms, self.offset_ms)
    }

    /// How many milliseconds later this is than `other`.
    pub fn ms_since(self, other: Self) -> i64 {
        self.utc_ms - other.utc_ms
    }

    /// Whole days since 1970-01-01.
    fn day(self) -> i64 {
        self.local_ms().div_euclid(1000).div_euclid(DAY_S)
    }

    /// This moment, `days` later.
    pub fn plus_days(self, days: i64) -> Self {
        self.plus_ms(days * DAY_S * 1000)
    }

    /// Hour and minute of the day.
    pub fn hour_minute(self) -> (u32, u32) {
        let second = self.local_ms().div_euclid(1000).rem_euclid(DAY_S);
        ((second / 3600) as u32, (second / 60 % 60) as u32)
    }

    /// The day of the week.
    pub fn weekday(self) -> &'static str {
        WEEKDAYS[self.day().rem_euclid(7) as usize]
    }

    /// Year, month (1 to 12) and day of the month, by the Gregorian calendar (Howard Hinnant, "chrono-Compatible
    /// Low-Level Date Algorithms", `civil_from_days`).
    pub fn date(self) -> (i64, u32, u32) {
        let z = self.day() + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
        (year_of_era + era * 400 + i64::from(month <= 2), month, day)
    }

    /// The date in words: "Monday, November twenty third".
    pub fn date_in_words(self) -> String {
        let (_, month, day) = self.date();
        format!("{}, {} {}", self.weekday(), MONTHS[month as usize - 1], spoken::ordinal(u64::from(day)))
    }
}

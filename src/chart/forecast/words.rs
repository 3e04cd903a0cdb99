//! What a forecast says in words: its title, and the description for who cannot see it.

use crate::chart::calendar;
use crate::chart::text::{brief, clean};

use super::Forecast;

impl Forecast {
    pub(super) fn message(&self) -> String {
        let what = format!("{} {}", brief(&self.subject), clean(&self.quantity));
        let Some(last) = self.ahead.last() else {
            return format!("{what}: not enough history for a forecast");
        };
        let Some(limit) = &self.limit else {
            let range = format!("{} to {}", self.unit.text(last.low_95), self.unit.text(last.high_95));
            return format!(
                "{what}: {} expected on {} (95 %: {range})",
                self.unit.text(last.middle),
                calendar::day(last.time)
            );
        };
        let named = format!("{} of {}", brief(&limit.label), self.unit.text(limit.value));
        let meeting = self.meeting();
        if meeting.already {
            return format!("{what} is beyond the {named} already");
        }
        let days = (meeting.expected.map(calendar::day), meeting.earliest.map(calendar::day));
        let until = calendar::day(last.time);
        match (days.0, days.1, meeting.latest.map(calendar::day)) {
            (Some(middle), Some(first), Some(last)) => {
                format!("{what} meets the {named} about {middle} (95 %: {first} to {last})")
            }
            (Some(middle), Some(first), None) => {
                format!("{what} meets the {named} about {middle} (95 %: {first} at the earliest)")
            }
            (Some(middle), None, _) => format!("{what} meets the {named} about {middle}"),
            (None, Some(first), _) => format!("{what} may meet the {named} from {first} on"),
            (None, None, _) => format!("{what} stays clear of the {named} until {until}"),
        }
    }

    pub(super) fn description(&self) -> String {
        let Some(last) = self.ahead.last() else { return self.message() };
        format!(
            "{}. Now {}; expected on {}: {}, half of the time {} to {}, 95 % {} to {}{}",
            self.message(),
            self.unit.text(self.level()),
            calendar::day(last.time),
            self.unit.text(last.middle),
            self.unit.text(last.low_50),
            self.unit.text(last.high_50),
            self.unit.text(last.low_95),
            self.unit.text(last.high_95),
            self.say_crossed(),
        )
    }
}

use serde_json::json;

use super::*;

/// 2026-11-23 17:42 (a Monday), checked with `date -d @1795455720 -u`.
const NOW: Moment = Moment::from_local_ms(1_795_455_720_000);

fn run(tools: &mut Tools, name: &str, arguments: Value, now: Moment) -> Outcome {
    tools.call(&ToolCall { name: name.into(), arguments }, now)
}

#[test]
fn the_clock_reads_the_moment_that_it_is_given() {
    let mut tools = Tools::default();
    let mut ask = |arguments| run(&mut tools, "clock", arguments, NOW).unwrap();
    assert_eq!(ask(json!({"what": "time"})), "five forty two in the afternoon");
    assert_eq!(ask(json!({"what": "date"})), "Monday, November twenty third");
    assert_eq!(ask(json!({"what": "day", "days": -1})), "Sunday");
    assert_eq!(ask(json!({"what": "year"})), "twenty twenty six");
    assert_eq!(Moment::from_local_ms(951_782_400_000).date(), (2000, 2, 29));
    assert_eq!(Moment::from_local_ms(-1).date(), (1969, 12, 31));
}

#[test]
fn sums_follow_the_rules_of_arithmetic() {
    for (expression, value) in
        [("1 + 2 * 3", 7.0), ("(1 + 2) * 3", 9.0), ("-4 / -2", 2.0), ("80 * 15 / 100", 12.0), ("2 - 3 - 4", -5.0)]
    {
        assert_eq!(evaluate(expression), Ok(value), "{expression}");
    }
    for bad in ["", "1 +", "2 2", "(1", "one", "1 / 0", &"(".repeat(10_000)] {
        assert!(evaluate(bad).is_err(), "{bad}");
    }
}

#[test]
fn units_convert_within_their_kind() {
    let mut tools = Tools::default();
    let mut ask =
        |value: f64, from, to| run(&mut tools, "convert", json!({"value": value, "from": from, "to": to}), NOW);
    assert_eq!(ask(5.0, "miles", "kilometers").unwrap(), "eight point zero five kilometers");
    assert_eq!(ask(1.0, "kilograms", "pounds").unwrap(), "two point two pounds");
    assert_eq!(ask(212.0, "fahrenheit", "celsius").unwrap(), "one hundred degrees celsius");
    assert_eq!(ask(12.0, "inches", "feet").unwrap(), "one foot");
    assert_eq!(ask(3.0, "gallons", "cups").unwrap(), "forty eight cups");
    assert!(ask(1.0, "miles", "grams").unwrap_err().contains("miles"));
    assert_eq!(ask(9.46e12, "kilometers", "millimeters").unwrap_err(), "that number is too big for me");
}

#[test]
fn timers_run_are_listed_cancelled_and_fall_due_once() {
    let mut tools = Tools::default();
    let later = |seconds: i64| NOW.plus_ms(seconds * 1000);
    let set = json!({"action": "set", "minutes": 10, "label": "pasta"});
    assert_eq!(run(&mut tools, "timer", set, NOW).unwrap(), "pasta timer set for ten minutes");
    run(&mut tools, "timer", json!({"action": "set", "seconds": 90}), NOW).unwrap();
    let left = run(&mut tools, "timer", json!({"action": "list"}), later(30)).unwrap();
    assert_eq!(left, "nine minutes and thirty seconds left on the pasta timer and one minute left on the timer");
    assert_eq!(tools.next_due(), Some(later(90)));
    assert_eq!(tools.due(later(89)), Vec::<String>::new());
    assert_eq!(tools.due(later(90)), ["Your timer for one minute and thirty seconds is done."]);
    assert_eq!(tools.due(later(91)), Vec::<String>::new());
    assert!(run(&mut tools, "timer", json!({"action": "cancel", "label": "eggs"}), later(92)).is_err());
    assert_eq!(run(&mut tools, "timer", json!({"action": "cancel"}), later(92)).unwrap(), "timer cancelled");
    assert_eq!(tools.next_due(), None);
    assert!(run(&mut tools, "timer", json!({"action": "set"}), NOW).is_err());
    for label in ["pasta", "pasta", "egg"] {
        run(&mut tools, "timer", json!({"action": "set", "minutes": 1, "label": label}), NOW).unwrap();
    }
    let cancel = json!({"action": "cancel", "label": "pasta"});
    assert_eq!(run(&mut tools, "timer", cancel, NOW).unwrap(), "all pasta timers cancelled");
    assert_eq!(tools.due(NOW.plus_ms(60_000)), ["Your egg timer is done."]);
}

#[test]
fn what_was_called_can_be_taken_back_until_it_is_settled() {
    let mut tools = Tools::default();
    let call = |arguments| ToolCall { name: "shopping".into(), arguments };
    let read = |tools: &mut Tools| tools.attempt(&call(json!({"action": "read"})), NOW).unwrap();
    let add = |item| call(json!({"action": "add", "items": [item]}));
    tools.answer(&add("milk"), NOW);
    tools.settle();
    tools.attempt(&add("bread"), NOW).unwrap();
    tools.adopt();
    tools.answer(&add("eggs"), NOW);
    assert_eq!(tools.take_back().unwrap(), ["shopping"]);
    assert_eq!(tools.take_back().unwrap(), ["shopping"]);
    assert_eq!(read(&mut tools), "milk");
    tools.discard();
    tools.redo();
    tools.redo();
    assert_eq!(read(&mut tools), "milk, bread and eggs");
    tools.discard();
    tools.settle();
    assert_eq!(tools.take_back(), Some(Vec::new()));
    assert_eq!(read(&mut tools), "milk, bread and eggs");
}

#[test]
fn arguments_may_be_null_and_whole_numbers_written_as_others() {
    let mut tools = Tools::default();
    let mut set = |arguments| run(&mut tools, "timer", arguments, NOW);
    let said = set(json!({"action": "set", "minutes": 5.0, "label": null})).unwrap();
    assert_eq!(said, "timer set for five minutes");
    assert!(set(json!({"action": "set", "minutes": 5.5})).is_err());
    assert!(set(json!({"action": null})).is_err());
    let hot = run(&mut tools, "convert", json!({"from": "celsius", "to": "fahrenheit", "value": 38}), NOW);
    assert_eq!(hot.unwrap(), "one hundred point four degrees fahrenheit");
    let tiny = run(&mut tools, "calculate", json!({"expression": "1 / 300"}), NOW);
    assert_eq!(tiny.unwrap(), "zero point zero zero three three");
}

#[test]
fn a_clock_that_is_put_forward_changes_no_timer() {
    let before = Moment::new(1_711_846_800_000, 3_600_000);
    let after = Moment::new(1_711_846_800_000 + 60_000, 7_200_000);
    assert_eq!((before.hour_minute(), after.hour_minute()), ((2, 0), (3, 1)));
    let mut tools = Tools::default();
    run(&mut tools, "timer", json!({"action": "set", "minutes": 2}), before).unwrap();
    assert_eq!(tools.due(after), Vec::<String>::new());
    assert_eq!(tools.due(after.plus_ms(60_000)).len(), 1);
}

#[test]
fn what_is_tried_counts_only_once_it_is_adopted() {
    let mut tools = Tools::default();
    let call = |arguments| ToolCall { name: "shopping".into(), arguments };
    let (read, add) = (call(json!({"action": "read"})), call(json!({"action": "add", "items": ["milk"]})));
    assert_eq!(tools.attempt(&add, NOW).unwrap(), "milk added");
    assert_eq!(tools.attempt(&read, NOW).unwrap(), "milk");
    assert_eq!(tools.answer(&read, NOW), "nothing");
    tools.discard();
    assert_eq!(tools.attempt(&read, NOW).unwrap(), "nothing");
    tools.attempt(&add, NOW).unwrap();
    tools.adopt();
    assert_eq!(tools.answer(&read, NOW), "milk");
    assert!(tools.attempt(&call(json!({"action": "eat"})), NOW).unwrap().starts_with("sorry, "));
}

#[test]
fn a_tool_that_reaches_out_is_not_tried() {
    struct Lamp(bool);
    impl Tool for Lamp {
        fn spec(&self) -> ToolSpec {
            let parameters = json!({"type": "object", "properties": {}, "additionalProperties": false});
            ToolSpec { name: "lamp".into(), description: "Switches the lamp".into(), parameters }
        }
        fn call(&mut self, _arguments: &Value, _now: Moment) -> Outcome {
            self.0 = !self.0;
            Ok(if self.0 { "on" } else { "off" }.into())
        }
    }
    let mut tools = Tools::new(vec![Box::new(Lamp(false))]);
    let call = ToolCall { name: "lamp".into(), arguments: json!({}) };
    assert_eq!(tools.attempt(&call, NOW), None);
    assert_eq!(tools.answer(&call, NOW), "on");
    assert_eq!(tools.take_back(), None);
    tools.settle();
    assert_eq!(tools.take_back(), Some(Vec::new()));
}

#[test]
fn the_list_keeps_what_is_added() {
    let mut tools = Tools::default();
    let mut ask = |arguments| run(&mut tools, "shopping", arguments, NOW);
    assert_eq!(ask(json!({"action": "read"})).unwrap(), "nothing");
    assert_eq!(ask(json!({"action": "add", "items": ["milk", "eggs"]})).unwrap(), "milk and eggs added");
    ask(json!({"action": "add", "items": ["milk", "bread"]})).unwrap();
    assert_eq!(ask(json!({"action": "read"})).unwrap(), "milk, eggs and bread");
    assert_eq!(ask(json!({"action": "remove", "items": ["eggs"]})).unwrap(), "eggs removed");
    assert!(ask(json!({"action": "remove", "items": ["eggs"]})).is_err());
    assert!(ask(json!({"action": "add"})).is_err());
    ask(json!({"action": "clear"})).unwrap();
    assert_eq!(ask(json!({"action": "read"})).unwrap(), "nothing");
}

#[test]
fn items_are_found_as_people_name_them() {
    let mut tools = Tools::default();
    let mut ask =
        |action: &str, items: &[&str]| run(&mut tools, "shopping", json!({"action": action, "items": items}), NOW);
    ask("add", &["a birthday cake", "gluten free bread", "rye bread", "cake"]).unwrap();
    ask("add", &["the cake", "birthday cake"]).unwrap();
    assert_eq!(ask("read", &[]).unwrap(), "a birthday cake, gluten free bread, rye bread and cake");
    assert_eq!(ask("remove", &["cake"]).unwrap(), "cake removed");
    assert_eq!(ask("remove", &["bread"]).unwrap_err(), "bread not on the list");
    assert_eq!(
        ask("remove", &["the rye bread", "the birthday cake"]).unwrap(),
        "rye bread and a birthday cake removed"
    );
    assert_eq!(ask("remove", &["some bread", "milk"]).unwrap(), "gluten free bread removed");
    assert_eq!(ask("read", &[]).unwrap(), "nothing");
}

#[test]
fn an_order_is_read_back_and_bad_arguments_are_named() {
    let mut tools = Tools::default();
    let order = json!({"coffeeDrink": "iced mocha", "size": "small", "roast": "dark roast", "sugarAmount": "a lot of brown sugar"});
    assert_eq!(
        run(&mut tools, "order_coffee", order, NOW).unwrap(),
        "small iced mocha, dark roast, a lot of brown sugar"
    );
    let wrong = run(&mut tools, "order_coffee", json!({"coffeeDrink": "beer"}), NOW);
    assert_eq!(wrong.unwrap_err(), "beer is not a coffee drink that I know");
    assert_eq!(
        run(&mut tools, "order_coffee", json!({"size": "small"}), NOW).unwrap_err(),
        "the coffee drink is missing"
    );
    assert!(run(&mut tools, "order_coffee", json!({"coffeeDrink": "latte", "cup": "red"}), NOW).is_err());
    assert!(run(&mut tools, "fly", json!({}), NOW).is_err());
}

//! Items by name, and what is computed from them.

use std::any::{Any, TypeId, type_name};
use std::marker::PhantomData;

/// The name of an item and its type.
pub struct Key<T> {
    name: &'static str,
    kind: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// A key; two of the same name are the same item.
    pub const fn new(name: &'static str) -> Self {
        Self { name, kind: PhantomData }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

/// An item's name and value.
pub(super) type Slot = (&'static str, Box<dyn Any + Send>);

/// The items that are known, by name.
#[derive(Default)]
pub struct Values {
    pub(super) slots: Vec<Slot>,
}

impl Values {
    /// What is given to a pipeline, with one more item.
    #[must_use]
    pub fn with<T: Send + 'static>(mut self, key: Key<T>, value: T) -> Self {
        self.slots.push((key.name, Box::new(value)));
        self
    }

    /// An item; none where it is not among the outputs.
    pub fn get<T: 'static>(&self, key: Key<T>) -> Option<&T> {
        self.slots.iter().find(|(name, _)| *name == key.name)?.1.downcast_ref()
    }

    /// Takes an item out; none where it is not among the outputs.
    pub fn take<T: 'static>(&mut self, key: Key<T>) -> Option<T> {
        let at = self.slots.iter().position(|(name, value)| *name == key.name && value.is::<T>())?;
        self.slots.swap_remove(at).1.downcast().ok().map(|value| *value)
    }
}

/// An item's name and type.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Need {
    pub(super) name: &'static str,
    pub(super) kind: TypeId,
    pub(super) kind_name: &'static str,
}

/// What a key asks for.
pub(super) fn need<T: 'static>(key: Key<T>) -> Need {
    Need { name: key.name, kind: TypeId::of::<T>(), kind_name: type_name::<T>() }
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for super::Key<T> {}
}

/// What a step computes from: a key, or two or three.
pub trait Takes: sealed::Sealed + Send + 'static {
    /// A reference to each.
    type Of<'v>;

    #[doc(hidden)]
    fn of<'v>(&self, values: &'v Values) -> Option<Self::Of<'v>>;

    #[doc(hidden)]
    fn needs(&self) -> Vec<Need>;
}

/// What a step computes: a key, or two or three.
pub trait Provides: sealed::Sealed + Send + 'static {
    /// The value of each.
    type Of;

    #[doc(hidden)]
    fn slots(&self, computed: Self::Of) -> Vec<Slot>;

    #[doc(hidden)]
    fn needs(&self) -> Vec<Need>;
}

impl<T: 'static> Takes for Key<T> {
    type Of<'v> = &'v T;

    fn of<'v>(&self, values: &'v Values) -> Option<&'v T> {
        values.get(*self)
    }

    fn needs(&self) -> Vec<Need> {
        vec![need(*self)]
    }
}

impl<T: Send + 'static> Provides for Key<T> {
    type Of = T;

    fn slots(&self, computed: T) -> Vec<Slot> {
        vec![(self.name, Box::new(computed))]
    }

    fn needs(&self) -> Vec<Need> {
        vec![need(*self)]
    }
}

macro_rules! tuple {
    ($($kind:ident $key:ident $value:ident),*) => {
        impl<$($kind),*> sealed::Sealed for ($(Key<$kind>,)*) {}

        impl<$($kind: 'static),*> Takes for ($(Key<$kind>,)*) {
            type Of<'v> = ($(&'v $kind,)*);

            fn of<'v>(&self, values: &'v Values) -> Option<Self::Of<'v>> {
                let ($($key,)*) = self;
                Some(($(values.get(*$key)?,)*))
            }

            fn needs(&self) -> Vec<Need> {
                let ($($key,)*) = self;
                vec![$(need(*$key)),*]
            }
        }

        impl<$($kind: Send + 'static),*> Provides for ($(Key<$kind>,)*) {
            type Of = ($($kind,)*);

            fn slots(&self, computed: Self::Of) -> Vec<Slot> {
                let (($($key,)*), ($($value,)*)) = (self, computed);
                vec![$(($key.name, Box::new($value))),*]
            }

            fn needs(&self) -> Vec<Need> {
                let ($($key,)*) = self;
                vec![$(need(*$key)),*]
            }
        }
    };
}

tuple!(A first one, B second two);
tuple!(A first one, B second two, C third three);

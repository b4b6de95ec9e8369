//! Building bundles by calls: the client's side of [`mu_ir::builder`] (irbuilder).
//!
//! ```
//! use mu_vm::{Mu, Options, Outcome};
//! use mu_vm::ir::table::Op;
//!
//! let mut mu = Mu::new(Options::default()).unwrap();
//! let mut b = mu.new_ir_builder();
//! let [i64, sig, double, version] =
//!     [Some("@i64"), Some("@sig"), Some("@double"), None].map(|name| b.gen_sym(&mut mu, name));
//! let [entry, x, y, add, ret] = [None; 5].map(|name| b.gen_sym(&mut mu, name));
//! b.new_type_int(i64, 64);
//! b.new_funcsig(sig, &[i64], &[i64]);
//! b.new_func(double, sig);
//! b.new_func_ver(version, double, &[entry]);
//! b.new_bb(entry, &[x], &[i64], None, &[add, ret]);
//! b.new_binop(add, y, Op::Add, i64, x, x, None);
//! b.new_ret(ret, &[y]);
//! b.load(&mut mu).unwrap();
//!
//! let double = mu.func("@double").unwrap();
//! let x = mu.value_from_text(mu.params(double)[0], "21").unwrap();
//! match mu.call(double, vec![x]) {
//!     Outcome::Return(values) => assert_eq!(mu.value_to_text(&values[0]), "42"),
//!     other => panic!("{other:?}"),
//! }
//! ```

use crate::{LoadError, Mu};
use mu_ir::builder::IrBuilder;
use mu_ir::diag::Diagnostic;
use mu_ir::ids::MuId;
use std::ops::{Deref, DerefMut};

/// A bundle being built for one instance; any number of them can be open. The methods that make nodes are those of
/// [`IrBuilder`].
#[derive(Debug)]
pub struct Builder(IrBuilder);

impl Deref for Builder {
    type Target = IrBuilder;

    fn deref(&self) -> &IrBuilder {
        &self.0
    }
}

impl DerefMut for Builder {
    fn deref_mut(&mut self) -> &mut IrBuilder {
        &mut self.0
    }
}

impl Builder {
    /// Reserves an id, optionally with the global name (`@…`) that its entity will have. A bad name is reported at load;
    /// from another instance than the builder's the answer is id 0.
    pub fn gen_sym(&mut self, mu: &mut Mu, name: Option<&str>) -> MuId {
        self.0.gen_sym(&mut mu.machine.rt.program, name)
    }

    /// Loads the bundle: all of it, or nothing. Answers the warnings.
    ///
    /// # Errors
    /// Every misuse of the builder (`MU-E6xxx`), or else every error of the bundle, as for a text. The instance is as it
    /// was; the ids stay unused.
    pub fn load(self, mu: &mut Mu) -> Result<Vec<Diagnostic>, LoadError> {
        mu.machine
            .rt
            .load_built(self.0)
            .map_err(|diagnostics| LoadError { diagnostics, sources: mu.machine.rt.program.sources.clone() })
    }

    /// Gives the bundle up. Its ids stay unused.
    pub fn abort(self) {}
}

impl Mu {
    /// A builder for a new bundle (irbuilder).
    pub fn new_ir_builder(&self) -> Builder {
        Builder(IrBuilder::new(&self.machine.rt.program))
    }

    /// Why the last bundle that Mu code built with `@uvm.irbuilder.*` could not be loaded.
    pub fn built_load_errors(&self) -> &[Diagnostic] {
        &self.machine.rt.load_errors
    }
}

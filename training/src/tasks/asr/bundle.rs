use super::recipe::AsrRecipe;
use crate::Result;

pub(super) fn export(_recipe: &AsrRecipe) -> Result<()> {
    Ok(())
}

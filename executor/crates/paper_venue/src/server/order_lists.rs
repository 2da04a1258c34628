//! Placing order lists: OCO, OTO, OTOCO.

use serde_json::Value;

use super::error::ApiError;
use super::operations::Call;
use super::params::Params;
use super::reports;
use super::trading::{needed_name, refuse_not_built, time_in_force, trailing};
use crate::engine::{Input, NewOco, NewOrder, NewOto, Outcome, Refusal, Side};

type Answer = Result<Value, ApiError>;

pub(crate) fn oco(call: &mut Call) -> Answer {
    let params = call.params;
    refuse_not_built(params)?;
    let both = Both::of(params, "side", "quantity")?;
    let list = NewOco {
        client_id: params.client_id("listClientOrderId")?,
        above: both.leg(params, "above")?,
        below: both.leg(params, "below")?,
    };
    let account = call.account.to_owned();
    submit(call, &Input::PlaceOco { account, list })
}

pub(crate) fn oto(call: &mut Call) -> Answer {
    let params = call.params;
    refuse_not_built(params)?;
    let list = NewOto {
        client_id: params.client_id("listClientOrderId")?,
        working: working(params)?,
        below: Both::of(params, "pendingSide", "pendingQuantity")?.leg(params, "pending")?,
        above: None,
    };
    let account = call.account.to_owned();
    submit(call, &Input::PlaceOto { account, list })
}

pub(crate) fn otoco(call: &mut Call) -> Answer {
    let params = call.params;
    refuse_not_built(params)?;
    let both = Both::of(params, "pendingSide", "pendingQuantity")?;
    let list = NewOto {
        client_id: params.client_id("listClientOrderId")?,
        working: working(params)?,
        below: both.leg(params, "pendingBelow")?,
        above: Some(both.leg(params, "pendingAbove")?),
    };
    let account = call.account.to_owned();
    submit(call, &Input::PlaceOto { account, list })
}

fn working(params: &Params) -> Result<NewOrder, Refusal> {
    Both::of(params, "workingSide", "workingQuantity")?.leg(params, "working")
}

/// What the legs of an OCO have in common.
struct Both {
    order: NewOrder,
}

impl Both {
    fn of(params: &Params, side: &str, quantity: &str) -> Result<Self, Refusal> {
        let side = needed_name::<Side>(params, side)?;
        let quantity = params.decimal(quantity)?;
        Ok(Self { order: NewOrder { quantity, ..NewOrder::market(params.needed("symbol")?, side) } })
    }

    /// The leg whose parameters begin with `name`.
    fn leg(&self, params: &Params, name: &str) -> Result<NewOrder, Refusal> {
        Ok(NewOrder {
            kind: needed_name(params, &format!("{name}Type"))?,
            time_in_force: time_in_force(params, &format!("{name}TimeInForce"))?,
            price: params.decimal(&format!("{name}Price"))?,
            stop_price: params.decimal(&format!("{name}StopPrice"))?,
            client_id: params.client_id(&format!("{name}ClientOrderId"))?,
            trailing: trailing(params, &format!("{name}TrailingDelta"))?,
            ..self.order.clone()
        })
    }
}

fn submit(call: &mut Call, input: &Input) -> Answer {
    let Outcome::PlacedList(id) = call.store.submit(input)? else { unreachable!("placing a list gives one") };
    let venue = &call.store.venue;
    Ok(reports::list_result(venue, venue.list(id)))
}

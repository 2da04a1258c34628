-- Trailing stops, and orders that may only reduce a position.
alter table public.orders drop constraint orders_order_type_check;
alter table public.orders add constraint orders_order_type_check
  check (order_type in ('market', 'limit', 'stop_loss', 'stop_limit', 'take_profit', 'trailing_stop'));
alter table public.orders add column trail numeric(20,8);             -- of a trailing stop: its distance, a fraction of the price
alter table public.orders add column reduce_only boolean not null default false;

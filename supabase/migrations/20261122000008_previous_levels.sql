-- The high and low of the day, week and month that have ended: levels that later events refer to.
alter table public.smc_patterns drop constraint smc_patterns_pattern_type_check;
alter table public.smc_patterns add constraint smc_patterns_pattern_type_check check (pattern_type in (
  'swing_high', 'swing_low', 'equal_highs', 'equal_lows', 'bos', 'choch', 'order_block', 'breaker_block', 'fvg', 'ifvg', 'liquidity_sweep',
  'previous_day_high', 'previous_day_low', 'previous_week_high', 'previous_week_low', 'previous_month_high', 'previous_month_low'));

-- An executor that is gone without a word (its machine, the network) must not leave the locks of a transaction for its successor to
-- wait at: without this the server would hold them until TCP gives the connection up.
alter role smc_executor set idle_in_transaction_session_timeout = '10s';

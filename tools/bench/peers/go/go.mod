module echod/bench/peer

go 1.19

;; What the demo's engine does: n steps of a 64-bit congruential generator, as a checksum.
;; JavaScript has 64-bit integers only as BigInt, which is what makes this work worth a module.
;; Constants: Knuth, MMIX (The Art of Computer Programming, volume 2, 3.3.4, line 26).
(module
  (func (export "run") (param $iterations i32) (param $seed i32) (result i64)
    (local $state i64)
    (local.set $state (i64.extend_i32_u (local.get $seed)))
    (block $done
      (loop $step
        (br_if $done (i32.eqz (local.get $iterations)))
        (local.set $state
          (i64.add
            (i64.mul (local.get $state) (i64.const 6364136223846793005))
            (i64.const 1442695040888963407)))
        (local.set $iterations (i32.sub (local.get $iterations) (i32.const 1)))
        (br $step)))
    (local.get $state)))

(* The same trees as `binary-trees 18` of src/rt/benches/heap.rs; prints the shortest of some rounds, in seconds. *)
type tree = Leaf | Node of { mutable left : tree; mutable right : tree }
(* Mutable, because nodes that never change and have no parts would be one node. *)

let depth_most, depth_least, rounds = 18, 4, 7

let rec tree depth =
  if depth = 0 then Node { left = Leaf; right = Leaf }
  else
    let left = tree (depth - 1) in
    let right = tree (depth - 1) in
    Node { left; right }

let rec count = function
  | Leaf -> 0
  | Node { left = Leaf; _ } -> 1
  | Node { left; right } -> 1 + count left + count right

let program () =
  let made = ref (count (tree (depth_most + 1))) in
  let long_lived = tree depth_most in
  let depth = ref depth_least in
  while !depth <= depth_most do
    for _ = 1 to 1 lsl (depth_most - !depth + depth_least) do
      made := !made + count (tree !depth)
    done;
    depth := !depth + 2
  done;
  !made + count long_lived

let () =
  let best = ref infinity in
  for _ = 1 to rounds do
    let start = Sys.time () in
    assert (program () > 0);
    best := min !best (Sys.time () -. start)
  done;
  Printf.printf "%.3f\n" !best

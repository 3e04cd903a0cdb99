// Sorts, filters and highlights. The page says everything without it.
"use strict";
(function () {
  document.documentElement.classList.add("js");

  // Sort: every head of a table marked "sortable" becomes a button.
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var heads = table.tHead ? Array.from(table.tHead.rows[0].cells) : [];
    heads.forEach(function (head, column) {
      if (!head.textContent.trim()) return;
      var button = document.createElement("button");
      button.type = "button";
      button.append.apply(button, Array.from(head.childNodes));
      head.append(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        var body = table.tBodies[0];
        var key = function (row) {
          var cell = row.cells[column];
          var raw = cell.dataset.v !== undefined ? cell.dataset.v : cell.textContent.trim();
          var number = Number(raw);
          return raw === "" || raw === "–" ? null : isNaN(number) ? raw.toLowerCase() : number;
        };
        Array.from(body.rows)
          .map(function (row) { return { row: row, key: key(row) }; })
          .sort(function (a, b) {
            if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
            var order = a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
            return down ? -order : order;
          })
          .forEach(function (entry) { body.append(entry.row); });
      });
    });
  });

  // Filter: a text field hides the entries of a list that do not hold its words.
  document.querySelectorAll("[data-filter]").forEach(function (field) {
    var entries = Array.from(document.querySelectorAll(field.dataset.filter));
    var said = field.parentNode.querySelector("[role=status]");
    field.addEventListener("input", function () {
      var words = field.value.toLowerCase().split(/\s+/);
      var shown = 0;
      entries.forEach(function (entry) {
        var text = entry.textContent.toLowerCase();
        entry.hidden = !words.every(function (word) { return text.includes(word); });
        if (!entry.hidden) shown += 1;
      });
      if (said) said.textContent = shown + " of " + entries.length;
    });
  });

  // Highlight: the entry that the address names.
  var mark = function () {
    document.querySelectorAll(".marked").forEach(function (old) { old.classList.remove("marked"); });
    var id = decodeURIComponent(location.hash.slice(1));
    var target = id && document.getElementById(id);
    if (target) target.classList.add("marked");
  };
  window.addEventListener("hashchange", mark);
  mark();
})();

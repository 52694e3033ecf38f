// Lets Plotly run under a policy that allows no inline style. It sets style attributes where it
// could set the style itself, which the policy allows; and its maps, which are not used here, bring
// a style element along, which is given no effect.
"use strict";

(() => {
  const set = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (name === "style") {
      this.style.cssText = value;
    } else {
      set.call(this, name, value);
    }
  };
  const create = Document.prototype.createElement;
  Document.prototype.createElement = function (name, options) {
    return create.call(this, String(name).toLowerCase() === "style" ? "template" : name, options);
  };
})();

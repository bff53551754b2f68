/** A kind that has one of everything the API server must know about a schema. */
export const WIDGET_CRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.dev}
spec:
  group: example.dev
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList, shortNames: [wd], categories: [things]}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      additionalPrinterColumns:
        - {name: Size, type: string, jsonPath: .spec.size}
        - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
        - {name: Tries, type: integer, jsonPath: .status.tries, priority: 1}
        - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
      schema:
        openAPIV3Schema:
          type: object
          description: A thing to test with.
          required: [spec]
          properties:
            apiVersion: {type: string}
            kind: {type: string}
            metadata: {type: object}
            spec:
              type: object
              description: What is wanted.
              required: [size]
              x-kubernetes-validations:
                - {rule: "!(has(self.a) && has(self.b))", message: a and b exclude each other}
                - {rule: "oldSelf.size == 'xl' ? self.size == 'xl' : true", message: size xl is final, fieldPath: .size, reason: FieldValueForbidden}
              properties:
                size: {type: string, enum: [s, m, xl], description: How big it is.}
                a: {type: string, maxLength: 5, minLength: 1, pattern: '^[a-z]+$'}
                b: {type: integer, minimum: 1, maximum: 10}
                port: {x-kubernetes-int-or-string: true}
                free: {type: object, x-kubernetes-preserve-unknown-fields: true}
                tags: {type: array, maxItems: 3, items: {type: string}, x-kubernetes-list-type: set}
                labels: {type: object, maxProperties: 2, additionalProperties: {type: string, maxLength: 4}}
                mode:
                  type: object
                  default: {kind: auto}
                  properties:
                    kind: {type: string, default: auto}
                    level: {type: integer, default: 3}
                parts:
                  type: array
                  x-kubernetes-list-type: map
                  x-kubernetes-list-map-keys: [name]
                  items:
                    type: object
                    required: [name]
                    properties:
                      name: {type: string}
                      count: {type: integer, default: 1}
                      note: {type: string, nullable: true}
                    x-kubernetes-validations:
                      - {rule: "self.count < 100", messageExpression: "'part ' + self.name + ' has too many'"}
            status:
              type: object
              default: {observedGeneration: -1}
              properties:
                observedGeneration: {type: integer}
                tries: {type: integer}
                conditions:
                  type: array
                  x-kubernetes-list-type: map
                  x-kubernetes-list-map-keys: [type]
                  items:
                    type: object
                    required: [type, status]
                    properties:
                      type: {type: string}
                      status: {type: string, enum: ['True', 'False', Unknown]}
                      message: {type: string}
`;
